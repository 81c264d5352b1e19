"""Retries as a good app does them: the time that was asked for, bounded tries, the same request again."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from aiohttp import web

from loadtests.crowd import wire as wire_module
from loadtests.crowd.figures import Figures
from loadtests.crowd.wire import Answer, Request, Wire, wait_seconds, why_again
from tests.loadtests.stub import SALE, Problem, StubGateway


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(0), "no_answer"),
        (Answer(429, {"code": "too_many"}), "429"),
        (Answer(503, {"code": "unavailable"}), "503"),
        (Answer(500, {"code": "internal"}), "500"),
        (Answer(409, {"code": "in_progress"}), "in_progress"),
        (Answer(409, {"code": "sold_out"}), None),
        (Answer(401, {"code": "admission_invalid"}), None),
        (Answer(201, {}), None),
    ],
)
def test_what_is_tried_again(answer: Answer, reason: str | None) -> None:
    assert why_again(answer) == reason


def test_retry_after_is_obeyed_to_a_bound() -> None:
    dice = Random(1)
    assert 2.0 <= wait_seconds(Answer(503, headers={"Retry-After": "2"}), 0, dice) <= 2.5
    assert wait_seconds(Answer(503, headers={"Retry-After": "9999"}), 0, dice) <= 10.5
    assert wait_seconds(Answer(503, headers={"Retry-After": "soon"}), 0, dice) <= 0.2


def test_backoff_grows_to_a_bound() -> None:
    waits = [wait_seconds(Answer(0), number, Random(1)) for number in range(10)]
    assert waits[0] < 0.21
    assert waits[9] <= 3.0
    assert waits == sorted(waits)


async def test_a_busy_gateway_is_asked_again_with_the_same_key(serve: Callable[..., Any]) -> None:
    stub = await serve(StubGateway())
    keys = []

    async def busy(_name: str, request: web.Request) -> web.StreamResponse | None:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) < 3:
            raise Problem(503, "unavailable", retry_after=0)
        return web.json_response({"ok": True}, status=201)

    stub.faults = busy
    figures = Figures()
    async with Wire(stub.origin, figures, seed=1) as wire:
        answer = await wire.send(
            Request(
                "reserve", "POST", f"/v1/sales/{SALE}/reservations", body={}, headers={"Idempotency-Key": "k"}
            )
        )
    assert answer.status == 201
    assert keys == ["k"] * 3
    assert figures.retries == {"503": 2}
    assert figures.stages["reserve"].summary()["count"] == 3


async def test_tries_end(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "TRIES_MAX", 3)
    stub = await serve(StubGateway())

    async def always(_name: str, _request: web.Request) -> web.StreamResponse | None:
        raise Problem(500, "internal", retry_after=0)

    stub.faults = always
    figures = Figures()
    async with Wire(stub.origin, figures, seed=1) as wire:
        answer = await wire.send(Request("join", "POST", f"/v1/sales/{SALE}/tickets"))
    assert answer.status == 500
    assert stub.calls.total() == 3
    assert figures.errors == {"500 join": 3}, "a fault counts even when a later try hides it"


async def test_a_gateway_that_is_not_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "TRIES_MAX", 2)
    async with Wire("http://127.0.0.1:1", Figures(), seed=1) as wire:
        answer = await wire.send(Request("join", "POST", "/v1/sales/x/tickets"))
    assert answer.status == 0
    assert answer.asked_at is not None


async def test_what_is_no_json_is_shown_and_not_believed(serve: Callable[..., Any]) -> None:
    stub = await serve(StubGateway())

    async def page(_name: str, _request: web.Request) -> web.StreamResponse | None:
        return web.Response(text="<html>", status=404)

    stub.faults = page
    async with Wire(stub.origin, Figures(), seed=1) as wire:
        answer = await wire.send(Request("sale", "GET", "/v1/sales/x"))
    assert (answer.code, answer.body) == (None, {"not_json": "<html>"})
