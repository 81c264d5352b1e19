"""Runs a crowd: plans it, sends each shopper at its planned instant, and writes history and summary."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from loadtests.crowd.arrivals import PER_SECOND_MAX, plan_arrivals
from loadtests.crowd.board import QueueBoard
from loadtests.crowd.figures import Figures
from loadtests.crowd.history import History
from loadtests.crowd.journey import go
from loadtests.crowd.personas import Shopper, draw_crowd
from loadtests.crowd.scene import SaleView, Scene, instant
from loadtests.crowd.wire import CONNECTIONS_MAX, Request, Wire

TICK_SECONDS: Final = 1.0  # history and progress reach the outside this often
Show = Callable[[dict[str, Any]], None]


class CrowdRefused(Exception):
    """The crowd cannot do its work; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    gateway: str
    sale_id: str
    shoppers: int
    seed: int
    history: Path
    summary: Path
    connections: int = CONNECTIONS_MAX
    arrivals_per_second: int = PER_SECOND_MAX
    seconds_max: float = 900.0


async def run(options: Options, show: Show, stop: asyncio.Event | None = None) -> dict[str, Any]:
    """The whole crowd; its summary, which is also in the file. `stop` sends everybody home early.

    Raises `CrowdRefused` when there is nobody to talk to, or no such sale.
    """
    figures = Figures()
    async with Wire(options.gateway, figures, seed=options.seed, connections=options.connections) as wire:
        sale = await _look_at(wire, options)
        board = QueueBoard(wire, sale.sale_id)
        shoppers = list(draw_crowd(options.shoppers, options.seed))
        with History(options.history) as history:
            scene = Scene(
                wire=wire,
                history=history,
                figures=figures,
                board=board,
                sale=sale,
                seed=options.seed,
                clock_ahead_seconds=await _clock_ahead(board),
                unsettled=sum(not shopper.stays for shopper in shoppers),
            )
            complete = await _hold(scene, shoppers, options, show, stop or asyncio.Event())
    summary = figures.summary(
        {
            "shoppers": options.shoppers,
            "seed": options.seed,
            "sale_id": options.sale_id,
            "complete": complete,
            "connections_max": options.connections,
        }
    )
    options.summary.parent.mkdir(parents=True, exist_ok=True)
    options.summary.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    return summary


async def _look_at(wire: Wire, options: Options) -> SaleView:
    answer = await wire.send(Request("sale", "GET", f"/v1/sales/{quote(options.sale_id, safe='')}"))
    if answer.status == 0:
        raise CrowdRefused(
            f"Nothing answers at {options.gateway}: start the gateway, or name its address with --gateway."
        )
    if answer.status == 404:
        raise CrowdRefused(
            f"There is no sale {options.sale_id!r} at {options.gateway}: `floodgate sale list` names those there are."
        )
    try:
        return SaleView.parse(options.sale_id, answer.body)
    except (KeyError, TypeError, ValueError) as error:
        raise CrowdRefused(
            f"{options.gateway} answered {answer.status} and no sale that a shopper can read ({error!r}): "
            "--gateway must name a Floodgate gateway."
        ) from error


async def _clock_ahead(board: QueueBoard) -> float:
    """How far the server's clock is ahead of ours, to within half a round trip; 0 where it does not say."""
    asked = time.time()
    answer = await board.fetch(None)
    with suppress(TypeError, ValueError):
        return instant(answer.get("server_time")) - (asked + time.time()) / 2
    return 0.0


async def _hold(
    scene: Scene, shoppers: list[Shopper], options: Options, show: Show, stop: asyncio.Event
) -> bool:
    """Sends everybody and waits for them; whether all ended by themselves."""
    plan = plan_arrivals(
        shoppers,
        seed=options.seed,
        opens_in_seconds=scene.sale.opens_at - scene.server_now(),
        per_second_max=options.arrivals_per_second,
    )
    background = [asyncio.create_task(scene.board.run()), asyncio.create_task(_tick(scene, len(plan), show))]
    crowd = asyncio.create_task(_send_all(scene, plan))
    stopped: asyncio.Task[Any] = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            {crowd, stopped, *background}, timeout=options.seconds_max, return_when=asyncio.FIRST_COMPLETED
        )
        if crowd.done():
            await crowd
        for task in background:  # these two end only by a fault of the crowd's own, which must be seen
            if task.done():
                await task
        return crowd.done()
    finally:
        for task in (crowd, stopped, *background):
            task.cancel()
        await asyncio.gather(crowd, stopped, *background, return_exceptions=True)
        show(snapshot(scene, len(plan)) | {"done": True})


async def _send_all(scene: Scene, plan: list[tuple[float, Shopper]]) -> None:
    """Each shopper at its planned instant: a slow system does not slow the crowd down."""
    begins = time.monotonic()
    async with asyncio.TaskGroup() as visits:
        for arrives, shopper in plan:
            planned_at = begins + arrives
            early = planned_at - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            visits.create_task(go(scene, shopper, planned_at))


async def _tick(scene: Scene, shoppers: int, show: Show) -> None:
    while True:
        scene.history.flush()
        show(snapshot(scene, shoppers))
        await asyncio.sleep(TICK_SECONDS)


def snapshot(scene: Scene, shoppers: int) -> dict[str, Any]:
    """Where the crowd stands: one line of progress."""
    figures, document = scene.figures, scene.board.document
    seconds = time.monotonic() - figures.started
    return {
        "seconds": round(seconds, 1),
        "shoppers": shoppers,
        "arrived": scene.arrived,
        "waiting": scene.board.waiting,
        "ended": scene.ended,
        **{what: figures.told[what] for what in ("joined", "admitted", "reserved", "confirmed", "rewarded")},
        "state": document.state,
        "frontier": document.frontier,
        "requests": figures.requests,
        "retries": figures.retries.total(),
        "errors": figures.errors.total(),
    }
