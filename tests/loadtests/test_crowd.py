"""A whole crowd against a stand-in of the contract: everybody ends with one outcome, nothing told is left unwritten."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from loadtests.crowd.history import read_history
from tests.loadtests.stub import StubGateway


async def test_every_unit_is_bought_and_everybody_has_one_outcome(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], tmp_path: Path
) -> None:
    """Releasers give back, stayers take what comes back: a crowd larger than the stock leaves none of it."""
    stub = await serve(StubGateway(stock=20))
    summary = await send_crowd(stub, shoppers=100)
    assert summary["complete"]
    assert summary["errors"] == {}
    assert sum(summary["totals"].values()) == 100
    taken = [one for one in stub.reservations.values() if one["state"] in {"held", "confirmed"}]
    assert len(taken) == 20
    assert json.loads((tmp_path / "summary.json").read_text())["totals"] == summary["totals"]
    told = read_history(tmp_path / "history.jsonl")
    reserved = {line.reservation_id for line in told if line.what == "reserved"}
    assert reserved == stub.reservations.keys()
    assert {line.reservation_id for line in told if line.what == "confirmed"} == {
        one["reservation_id"] for one in taken if one["state"] == "confirmed"
    }


async def test_forgers_are_refused_and_say_so(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], tmp_path: Path
) -> None:
    stub = await serve(StubGateway(stock=500))
    summary = await send_crowd(stub, shoppers=60)
    assert summary["forgeries"]["refused"] > 30
    assert summary["forgeries"]["accepted"] == 0
    forged = [line for line in read_history(tmp_path / "history.jsonl") if line.persona == "forger"]
    assert {line.what for line in forged} == {"joined", "forged_refused"}


async def test_a_gateway_that_accepts_a_forgery_is_reported(
    serve: Callable[..., Any], send_crowd: Callable[..., Any]
) -> None:
    """The control of the forgers: a gateway that answers 201 to what it must refuse does not pass."""
    stub = await serve(StubGateway(stock=500))
    stub._user = lambda _request: "anybody"
    summary = await send_crowd(stub, shoppers=60)
    assert summary["forgeries"]["accepted"] > 0


async def test_the_crowd_survives_a_gateway_that_goes_away_in_mid_sale(
    serve: Callable[..., Any], send_crowd: Callable[..., Any]
) -> None:
    """Connections are cut without an answer, before and after the effect; the same keys make it harmless."""
    stub = await serve(StubGateway(stock=30))
    cuts = 0

    async def cut(name: str, request: web.Request) -> web.StreamResponse | None:
        nonlocal cuts
        if name not in {"reserve", "join", "payment", "reservation"} or stub.calls[name] % 4:
            return None
        cuts += 1
        if name == "reserve" and cuts % 2:
            await stub.reserve(request)  # the effect is there, its answer is lost
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    stub.faults = cut
    summary = await send_crowd(stub, shoppers=60)
    assert cuts > 10
    assert summary["retries"]["no_answer"] >= cuts // 2
    assert summary["complete"]
    assert not [name for name in summary["errors"] if not name.startswith("forgery")]
    holders = [one["user"] for one in stub.reservations.values() if one["state"] in {"held", "confirmed"}]
    assert len(holders) == len(set(holders))


async def test_an_outcome_that_was_never_told_is_asked_for(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], monkeypatch: Any
) -> None:
    """Every answer to a reservation is lost; what `me/reservations` shows is what the shopper holds."""
    monkeypatch.setattr("loadtests.crowd.wire.TRIES_MAX", 1)
    stub = await serve(StubGateway(stock=500))

    async def lose(name: str, request: web.Request) -> web.StreamResponse | None:
        if name != "reserve":
            return None
        await stub.reserve(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    stub.faults = lose
    summary = await send_crowd(stub, shoppers=30)
    assert stub.calls["my_reservations"] > 10
    assert summary["outcomes"]["buyer"]["rewarded"] > 10


async def test_a_double_click_is_one_reservation(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], tmp_path: Path
) -> None:
    stub = await serve(StubGateway(stock=500))
    await send_crowd(stub, shoppers=100)
    told = [line for line in read_history(tmp_path / "history.jsonl") if line.persona == "double_clicker"]
    users = {line.user for line in told}
    assert len(users) >= 7
    for user in users:
        keys = {line.key for line in told if line.user == user and line.what == "reserved"}
        ids = {line.reservation_id for line in told if line.user == user and line.what == "reserved"}
        assert len(keys) == len(ids) == 1


async def test_late_payers_of_a_short_hold_are_granted_again(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("loadtests.crowd.paying.EXPIRY_SECONDS", 0.2)
    stub = await serve(StubGateway(stock=500, hold_seconds=3.0))
    summary = await send_crowd(stub, shoppers=50)
    assert summary["outcomes"]["late_payer"] == {"rewarded": 2}
    assert sum("regranted_as" in one for one in stub.reservations.values()) == 2


async def test_a_crowd_that_is_stopped_writes_what_it_knows(
    serve: Callable[..., Any], send_crowd: Callable[..., Any], tmp_path: Path
) -> None:
    stub = await serve(StubGateway(stock=5))
    stub.moves = False  # nobody's turn ever comes
    summary = await send_crowd(stub, shoppers=20, seconds_max=2.0)
    assert not summary["complete"]
    assert sum(summary["totals"].values()) == 20
    assert read_history(tmp_path / "history.jsonl")
