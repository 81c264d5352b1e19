"""What the gate does to requests of the framework's routes: refusals, deadlines, seats, and what holds no place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from gateway.errors import PROBLEMS
from gateway.overload.gate import Gate
from gateway.overload.priority import Outcome, Priority
from gateway.overload.seats import Seat, seat_of
from gateway.overload.settings import OverloadSettings
from gateway.overload.shedding import Shedding
from kit.web.problems import install_problems
from tests.gateway.lane.conftest import eventually
from tests.gateway.scene import assert_problem

SALE = "/v1/sales/any"


@asynccontextmanager
async def door(gate: Gate) -> AsyncIterator[httpx.AsyncClient]:
    """A small app behind the gate, whose every address takes as long as its query says."""
    app = FastAPI()
    app.add_middleware(Shedding, gate=gate, free=["/app.js"])
    install_problems(app, PROBLEMS)

    @app.api_route("/{path:path}", methods=["GET", "POST", "DELETE"])
    async def anything(path: str, seconds: float = 0.0, broken: bool = False) -> str:
        await asyncio.sleep(seconds)
        if broken:
            raise RuntimeError("broken")
        return path

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        yield http


def full(priority: Priority) -> Gate:
    """A gate that refuses this priority and what comes after it, and lets nobody wait."""
    gate = Gate(OverloadSettings(waiting_max=0))
    gate.room = tuple(10_000 if one < priority else 0 for one in Priority)
    return gate


@pytest.mark.parametrize(
    ("method", "path", "seat"),
    [
        ("GET", "/v1/sales", Seat.BROWSE),
        ("GET", f"{SALE}/queue", Seat.BROWSE),
        ("POST", f"{SALE}/tickets", Seat.JOIN),
        ("POST", f"{SALE}/admissions", Seat.JOIN),
        ("POST", f"{SALE}/reservations", Seat.RESERVE),
        ("GET", f"{SALE}/reservations", Seat.BROWSE),
        ("DELETE", "/v1/reservations/1", Seat.RESERVE),
        ("GET", "/v1/reservations/1", Seat.JOIN),
        ("POST", "/v1/reservations/1/payment", Seat.ABROAD),
        ("POST", "/v1/webhooks/payments", Seat.PAY),
        ("GET", "/v1/me/rewards", Seat.JOIN),
        ("GET", "/v1/me/events", Seat.STREAM),
        ("POST", "/v1/me/events", Seat.BROWSE),
        ("GET", "/", Seat.BROWSE),
        ("POST", "/x/v1/webhooks/payments", Seat.BROWSE),
        ("BREW", "/v1/webhooksx", Seat.BROWSE),
    ],
)
def test_each_address_has_its_seat(method: str, path: str, seat: Seat) -> None:
    assert seat_of(method, path) is seat


async def test_a_refusal_is_a_problem_that_says_when_to_come_back() -> None:
    async with door(full(Priority.JOIN)) as http:
        refused = await http.post(f"{SALE}/tickets", headers={"Accept-Language": "zh-CN"})
        problem = assert_problem(refused, 503, "temporary_reduced_capacity")
        assert problem["title"] == "当前繁忙"
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert (await http.post(f"{SALE}/reservations")).status_code == 200


async def test_a_file_of_the_page_is_never_refused_and_an_invented_one_is() -> None:
    async with door(full(Priority.PAY)) as http:
        assert (await http.get("/app.js")).status_code == 200
        assert_problem(await http.get("/app.jsx"), 503, "temporary_reduced_capacity")


async def test_who_finds_no_room_waits_until_somebody_leaves() -> None:
    gate = Gate(OverloadSettings(limit_start=64, limit_min=64))
    held = [gate.enter(Priority.RESERVE) for _ in range(64)]
    async with door(gate) as http:
        waiting = asyncio.create_task(http.post(f"{SALE}/reservations"))
        cancelled = asyncio.create_task(http.post(f"{SALE}/reservations"))
        await eventually(lambda: gate.anteroom.waiting == 2)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert (gate.in_flight, gate.anteroom.waiting) == (64, 1)
        assert held[0] is not None
        held[0].leave(Outcome.ANSWERED)
        assert (await waiting).status_code == 200
    assert (gate.in_flight, gate.anteroom.waiting) == (63, 0)


async def test_who_has_waited_in_vain_is_told_when_to_come_back() -> None:
    gate = Gate(OverloadSettings(limit_start=64, limit_min=64, patience_seconds=0.05))
    held = [gate.enter(Priority.RESERVE) for _ in range(64)]
    async with door(gate) as http:
        waiting = asyncio.create_task(http.post(f"{SALE}/reservations"))
        await eventually(lambda: gate.anteroom.waiting)
        await asyncio.sleep(0.1)
        gate.tick(0.0)
        refused = await waiting
    assert_problem(refused, 503, "temporary_reduced_capacity")
    assert "retry-after" in refused.headers
    assert len(held) == gate.in_flight


async def test_paying_and_confirming_go_on_when_nothing_else_does() -> None:
    async with door(full(Priority.RESERVE)) as http:
        assert (await http.post(f"{SALE}/reservations")).status_code == 503
        assert (await http.post("/v1/webhooks/payments")).status_code == 200
        assert (await http.post("/v1/reservations/1/payment")).status_code == 200


async def test_waiting_for_the_provider_fills_no_place() -> None:
    gate = Gate()
    async with door(gate) as http:
        waiting = [
            asyncio.create_task(http.post("/v1/reservations/1/payment?seconds=0.2")) for _ in range(20)
        ]
        await asyncio.sleep(0.1)
        assert gate.in_flight == 0
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 20
    assert gate.ended[Priority.PAY][Outcome.ANSWERED] == 20


async def test_an_answer_that_comes_too_late_is_told_so_and_its_work_is_ended() -> None:
    gate = Gate(OverloadSettings(deadline_seconds=0.1))
    async with door(gate) as http:
        late = await http.post(f"{SALE}/reservations?seconds=30")
        assert_problem(late, 503, "answer_late")
        assert late.headers["retry-after"] == "1"
    assert (gate.in_flight, gate.ended[Priority.RESERVE][Outcome.LATE]) == (0, 1)


async def test_a_failure_gives_its_permit_back_and_is_no_measure() -> None:
    gate = Gate()
    async with door(gate) as http:
        assert_problem(await http.post(f"{SALE}/reservations?broken=true"), 500, "internal")
    assert (gate.in_flight, gate.ended[Priority.RESERVE][Outcome.FAILED]) == (0, 1)


async def test_a_caller_that_leaves_gives_its_permit_back() -> None:
    gate = Gate()
    async with door(gate) as http:
        leaving = asyncio.create_task(http.post(f"{SALE}/reservations?seconds=30"))
        await asyncio.sleep(0.1)
        assert gate.in_flight == 1
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    assert gate.in_flight == 0


async def test_a_head_request_is_refused_without_a_body() -> None:
    async with door(full(Priority.PAY)) as http:
        refused = await http.head("/v1/sales")
        assert (refused.status_code, refused.content) == (503, b"")
