"""How long an item is without Redis after that has lost everything, with a hundred thousand reservations to load again.

The first question of a bench, while that item is all there is to load. Until then PostgreSQL sells alone, at a bounded rate;
how soon it does is a fact of the row. Once the item is loaded, four times as many shoppers come as units are left, and exactly
those are sold.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from loadtests.bench import servers
from loadtests.bench.books import LedgerBooks
from loadtests.bench.client.once import ask
from loadtests.bench.fill import fill, leave
from loadtests.bench.launch import running
from loadtests.bench.measures.duties import rush
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Runner
from loadtests.bench.sales import SCARCE
from loadtests.bench.scene import Scene, is_loaded

ROW: Final = "open_again_after_flushall"
ROWS: Final = (ROW,)
SKU: Final = "reopen"
RESERVATIONS: Final = 100_000
GOAL: Final = Goal(10.0, "at most", unit="s")
WHAT: Final = f"the longest from FLUSHALL until Redis sells again, {RESERVATIONS:,} reservations to load, then sold to exactly zero"
OPEN_SECONDS_MAX: Final = 120.0
LOOK_SECONDS: Final = 0.05
SHOWN_SECONDS: Final = 2.0


def rows(scene: Scene, runner: Runner) -> list[Row]:
    if not scene.options.wants(ROW):
        return []
    if "redis" not in scene.stores.pids:
        return [missing_row(ROW, WHAT, GOAL, against="", why="Redis is not ours to flush")]
    runner.show(f"writing {RESERVATIONS:,} reservations")
    fill(scene.stores, scene.sales.hot, SKU, RESERVATIONS)
    leave(scene.stores, scene.sales.hot, SKU, SCARCE)
    gateway = scene.gateway()
    with running(servers.keeper(scene.layout.load, scene.environment).program, scene.logs):
        loaded = scene.stores.on_offer()
        waits = [
            _flush(scene, runner, gateway.port, number, loaded) for number in range(scene.options.rounds)
        ]
        # What a gateway shows may be a second old, and rooms are loaded again too: those that start later need them.
        time.sleep(SHOWN_SECONDS)
        for sale_id in scene.sales.ids:
            scene.wait_for(gateway, sale_id, _is_fresh)
    seconds = [wait.loaded_seconds for wait in waits if wait is not None]
    if len(seconds) < len(waits):
        return [missing_row(ROW, WHAT, GOAL, against="", why=f"shut for more than {OPEN_SECONDS_MAX:g} s")]
    books = LedgerBooks(scene.stores, scene.sales.hot, SKU)
    tally = rush(gateway.port, scene.shoppers.reservations(scene.sales.hot, SKU, SCARCE * 4))
    left, granted = SCARCE - len(waits), tally.counts.get(b"201", 0)
    complaint = books.complaint(tally)
    if complaint is None and granted != left:
        complaint = f"{granted} of {left} units were sold"
    if complaint is not None:
        return [missing_row(ROW, WHAT, GOAL, against="", why=complaint)]
    first = [wait.granted_seconds for wait in waits if wait is not None]
    facts = {
        "reservations": RESERVATIONS, "seconds": seconds, "first_grant_seconds": first, "sold_after": granted
    }  # fmt: skip
    return [Row(ROW, WHAT, max(seconds), GOAL, facts=facts)]


def _is_fresh(document: Mapping[str, Any]) -> bool:
    return is_loaded(document) and not document["stale"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds from FLUSHALL to the first grant, which may be PostgreSQL's alone, and until Redis has everything again."""

    granted_seconds: float
    loaded_seconds: float


def _flush(scene: Scene, runner: Runner, port: int, number: int, loaded: frozenset[bytes]) -> Wait | None:
    """None where it took too long."""
    runner.show(f"FLUSHALL {number + 1} of {scene.options.rounds}")
    with scene.stores.redis() as redis:
        redis.flushall()
    flushed_at = time.monotonic()
    granted = _seconds_until(flushed_at, lambda: _is_granted(scene, port))
    back = _seconds_until(flushed_at, lambda: scene.stores.on_offer() >= loaded)
    return None if granted is None or back is None else Wait(granted, back)


def _is_granted(scene: Scene, port: int) -> bool:
    """Whether a shopper gets one; everybody before is told 503."""
    return ask(port, scene.shoppers.reservation(scene.sales.hot, SKU)).status == 201


def _seconds_until(since: float, happens: Callable[[], bool]) -> float | None:
    while time.monotonic() < since + OPEN_SECONDS_MAX:
        if happens():
            return round(time.monotonic() - since, 2)
        time.sleep(LOOK_SECONDS)
    return None
