"""Live notices: events out of lines, and the question whether all of them came."""

from collections.abc import Callable
from typing import Any

import pytest

from loadtests.crowd import live
from loadtests.crowd.figures import Figures
from loadtests.crowd.live import Event, EventParser, LiveWatch
from loadtests.crowd.wire import Wire
from tests.loadtests.stub import StubGateway


def _events(text: str) -> list[Event]:
    parser = EventParser()
    return [event for line in text.split("\n") for event in parser.feed(line)]


def test_lines_become_events() -> None:
    text = ': breath\n\nid: 7\nevent: reward_sent\ndata: {"grant_id":\ndata: "g"}\n\ndata: plain\n\nevent: empty\n\n'
    assert _events(text) == [
        Event("reward_sent", "7", {"grant_id": "g"}),
        Event("message", "7", "plain"),
    ]


def test_an_unfinished_event_is_not_told() -> None:
    assert _events('event: won\ndata: {"a": 1}') == []


@pytest.fixture
async def stub(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> StubGateway:
    monkeypatch.setattr(live, "RECONNECT_SECONDS", 0.05)
    stub: StubGateway = await serve(StubGateway())
    stub.users["token"] = "me"
    return stub


async def test_a_stream_that_ends_is_opened_again_until_all_is_told(stub: StubGateway) -> None:
    async with Wire(stub.origin, Figures(), seed=1) as wire:
        watch = LiveWatch(wire, "token")
        watch.start()
        grant = stub._new("me", "key", 1, "confirmed")["reservation_id"]
        assert await watch.told_all({f"g-{grant}"})
        await watch.stop()


async def test_a_notice_that_never_comes_is_missed(
    stub: StubGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TOLD_SECONDS_MAX", 0.3)
    async with Wire(stub.origin, Figures(), seed=1) as wire:
        watch = LiveWatch(wire, "token")
        watch.start()
        assert not await watch.told_all({"g-nobody"})
        await watch.stop()
