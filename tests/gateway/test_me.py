"""A shopper's own state and its live notices, told once each, over a real socket where the stream matters."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from gateway.errors import TooManyStreams
from gateway.settings import GatewaySettings
from kit.doorbell import ring_user
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.gateway.scene import Scene, assert_problem, opened_scene
from tests.serving import served

WAIT_SECONDS = 20


@pytest.fixture
async def live(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> AsyncIterator[Scene]:
    """A scene whose streams rely on the doorbell: their own poll comes too late to matter."""
    async with opened_scene(postgres, redis_roles, sale_id, live_poll_seconds=60) as scene:
        await scene.open_sale()
        yield scene


@asynccontextmanager
async def listening(
    scene: Scene, user: str, *, last_event_id: str | None = None
) -> AsyncIterator[AsyncIterator[tuple[str, str, Any]]]:
    """The events of a user's stream, each as (name, id, content)."""
    headers = scene.signed_in(user) | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
    async with (
        served(scene.app, running=True) as url,
        httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS) as http,
        http.stream("GET", "/v1/me/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields["id"], msgspec.json.decode(fields["data"])
            fields = {}


async def test_own_reservations_and_rewards_are_read_from_the_rows(scene: Scene) -> None:
    held = await scene.hold("ann")
    mine = await scene.http.get("/v1/me/reservations", headers=scene.signed_in("ann"))
    assert mine.json() == {"reservations": [held]}
    others = await scene.http.get("/v1/me/reservations", headers=scene.signed_in("ben"))
    assert others.json() == {"reservations": []}
    rewards = await scene.http.get("/v1/me/rewards", headers=scene.signed_in("ann"))
    assert rewards.json() == {"rewards": []}


async def test_a_stream_begins_with_the_state_and_then_tells_what_happens(live: Scene) -> None:
    async with listening(live, "ann") as events:
        name, _, content = await anext(events)
        assert (name, content) == ("snapshot", {"reservations": [], "rewards": []})
        held = await live.hold("ann")
        await ring_user(live.redis.queue, live.user("ann"))
        name, _, content = await _next(events)
        assert (name, content["reservation_id"]) == ("won", held["reservation_id"])
        await live.pay("ann", held)
        name, _, content = await _next(events)
        assert (name, content["reservation_id"], content["state"]) == (
            "paid",
            held["reservation_id"],
            "confirmed",
        )


async def _next(events: AsyncIterator[tuple[str, str, Any]]) -> tuple[str, str, Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        return await anext(events)


async def test_a_stream_resumes_with_exactly_what_was_not_told_yet(live: Scene) -> None:
    held = await live.hold("ann")
    async with listening(live, "ann") as events:
        _, cursor, content = await anext(events)
        assert [one["reservation_id"] for one in content["reservations"]] == [held["reservation_id"]]
    await live.pay("ann", held)
    async with listening(live, "ann", last_event_id=cursor) as events:
        name, later, content = await _next(events)
        assert (name, content["state"]) == ("paid", "confirmed")
    again = await live.hold("ann")
    async with listening(live, "ann", last_event_id=later) as events:
        name, _, content = await _next(events)
        assert (name, content["reservation_id"]) == ("won", again["reservation_id"])


async def test_what_is_no_cursor_of_ours_gets_the_state_again(live: Scene) -> None:
    async with listening(live, "ann", last_event_id="seven") as events:
        assert (await anext(events))[0] == "snapshot"


async def test_one_user_may_have_so_many_streams_and_no_more(
    postgres: Postgres, redis_roles: RedisRoles, sale_id: str
) -> None:
    async with (
        opened_scene(postgres, redis_roles, sale_id, live_streams_per_user_max=1) as scene,
        listening(scene, "ann") as events,
    ):
        await anext(events)
        refused = await scene.http.get("/v1/me/events", headers=scene.signed_in("ann"))
        assert_problem(refused, 429, "too_many_streams")
        assert int(refused.headers["Retry-After"]) >= 1


async def test_a_crowd_that_opens_at_once_gets_as_many_streams_as_one_after_the_other(
    postgres: Postgres, redis_roles: RedisRoles, sale_id: str
) -> None:
    async with opened_scene(postgres, redis_roles, sale_id, live_streams_per_user_max=2) as scene:
        live = scene.parts.live
        answers = await asyncio.gather(*(live.open("ann", None) for _ in range(50)), return_exceptions=True)
        streams = [one for one in answers if not isinstance(one, BaseException)]
        assert len(streams) == live._streams.total() == 2
        assert [type(one) for one in answers if isinstance(one, BaseException)] == [TooManyStreams] * 48
        await anext(streams[0])
        for stream in streams:  # one that was read and one that never was
            await stream.aclose()
        assert live._streams.total() == 0


async def test_a_stream_that_fails_or_is_forgotten_before_it_is_read_gives_its_place_back(
    postgres: Postgres, redis_roles: RedisRoles, sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_scene(postgres, redis_roles, sale_id) as scene:
        live = scene.parts.live
        forgotten = await live.open("ann", None)
        assert live._streams.total() == 1
        del forgotten
        async with asyncio.timeout(WAIT_SECONDS):
            while live._streams.total():
                gc.collect()
                await asyncio.sleep(0)

        async def away(_: str) -> None:
            raise Unavailable("postgres")

        monkeypatch.setattr(live, "_read", away)
        with pytest.raises(Unavailable):
            await live.open("ann", None)
        assert live._streams.total() == 0


async def test_a_stream_ends_by_itself_and_when_the_process_drains(
    postgres: Postgres, redis_roles: RedisRoles, sale_id: str
) -> None:
    async with (
        opened_scene(postgres, redis_roles, sale_id, live_seconds_max=0.2) as scene,
        listening(scene, "ann") as events,
    ):
        assert [name async for name, _, _ in events] == ["snapshot"]
    async with opened_scene(postgres, redis_roles, sale_id) as scene:
        async with listening(scene, "ann") as events:
            await anext(events)
            scene.parts.live.close()
            assert [name async for name, _, _ in events] == []
        assert scene.parts.live._streams.total() == 0


def test_every_bound_of_a_stream_is_set() -> None:
    settings = GatewaySettings()
    assert settings.live_reads_at_once_max < settings.live_streams_per_user_max < settings.live_streams_max
