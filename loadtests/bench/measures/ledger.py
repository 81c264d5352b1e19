"""One hot item in PostgreSQL: the gateway beside one row a transaction, beside its own statements in full batches with
nothing before them, beside the barest SQL that could sell, and one row beside buckets.

In each round all take turns on the same server and the same tables. Without the gateway the client writes SQL from the
server's core, and PostgreSQL has the other core to itself; in the gateway's run it shares that core with Redis and
the load. So the second ratio is the harder one.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.bench.cores import Meter, Usage
from loadtests.bench.launch import ToldNothing, last_words, python
from loadtests.bench.measures.reserving import Shop
from loadtests.bench.rows import Goal, Row, median, paired_ratio, ratio_row
from loadtests.bench.runs import Result, Runner, limited_by
from loadtests.bench.sales import BUCKETS
from loadtests.bench.scene import Scene
from loadtests.bench.servers import WITHIN
from loadtests.bench.stores import Sold, ledger

START_SECONDS_MAX: Final = 60.0
TILLS: Final = "loadtests.bench.baselines.ledgers"
SINGLE: Final = 32  # connections, one row a transaction
WRITERS: Final = 8  # connections that meet at one row, or at as many buckets
# At the gateway at once: both lanes' batches full (2 x 256), and as many again being read and being answered. A process takes ten
# times as many. With fewer it waits for its own callers: a third of them gives a quarter less, and no core is full.
CROWD: Final = 1536


@dataclass(frozen=True, slots=True)
class Way:
    """A way to sell without a gateway: connections, rows a transaction, buckets. Without connections, the ledger's own."""

    sku: str
    connections: int = 0
    rows: int = 0
    buckets: int = 1

    def words(self, sale_id: str, seconds: float) -> list[str]:
        if not self.connections:
            return ["-m", WITHIN, "ledger", sale_id, self.sku, str(seconds)]
        return [
            "-m",
            TILLS,
            sale_id,
            self.sku,
            *map(str, (self.connections, self.rows, self.buckets, seconds)),
        ]


WAYS: Final = {
    "single": Way("single", SINGLE, 1),
    "statements": Way("statements"),
    "bare": Way("batches", 2, 256),
    "row": Way("row", WRITERS, 16),
    "buckets": Way("buckets", WRITERS, 16, BUCKETS["buckets"]),
}
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "hot_item_vs_single_rows": ("gateway", "single"),
    "hot_item_vs_sql_batches": ("gateway", "statements"),
    "hot_item_vs_bare_sql": ("gateway", "bare"),
    "hot_item_vs_sql_batches_cost": ("gateway", "statements"),
    "buckets_vs_row": ("buckets", "row"),
    "buckets_vs_row_cost": ("buckets", "row"),
}
AGAINST: Final = {
    "hot_item_vs_single_rows": (Goal(15.0), f"one row a transaction, {SINGLE} connections, same PostgreSQL"),
    "hot_item_vs_sql_batches": (Goal(0.8), "the same statements in full batches, no gateway, no Redis"),
    "hot_item_vs_bare_sql": (
        Goal(None),
        "UPDATE and INSERT of 256 rows over 2 connections: no key, no limit, no checks",
    ),
}
COSTS: Final = {
    "hot_item_vs_sql_batches_cost": (
        "PostgreSQL's core-seconds a reservation through the gateway",
        "of those statements in full batches",
    ),
    "buckets_vs_row_cost": ("PostgreSQL's core-seconds a row at buckets", "of a row at one"),
}
ROWS: Final = tuple(_NEEDS)


@dataclass(frozen=True, slots=True)
class Sale:
    """One run of a way: rows a second, and who worked how much for them."""

    rate: float
    rows: int
    usage: Usage


def rows(scene: Scene, runner: Runner) -> list[Row]:
    wanted = [row_id for row_id in _NEEDS if scene.options.wants(row_id)]
    names = list(dict.fromkeys(name for row_id in wanted for name in _NEEDS[row_id]))
    found = _rounds(names, scene, runner) if names else {}
    made = []
    for row_id in wanted:
        if row_id in AGAINST:
            goal, against = AGAINST[row_id]
            made.append(_gateway_row(row_id, goal, against, found, scene))
        elif row_id in COSTS:
            made.append(_cost_row(row_id, found))
        else:
            made.append(_buckets_row(found, scene))
    return made


Found = dict[str, list[Result | Sale | None]]


def _rounds(names: Sequence[str], scene: Scene, runner: Runner) -> Found:
    shop = Shop(scene, "durable").subject("ledger") if "gateway" in names else None
    if shop is not None:
        shop.connections = CROWD
    found: Found = {name: [] for name in names}
    for number in range(scene.options.rounds):
        for name in names if number % 2 == 0 else list(reversed(names)):
            runner.show(f"ledger: {name}, round {number + 1} of {scene.options.rounds}")
            if name == "gateway" and shop is not None:
                found[name].append(runner.once(shop))
            else:
                found[name].append(_sell(WAYS[name], scene, runner))
    return found


def _sell(way: Way, scene: Scene, runner: Runner) -> Sale | None:
    """One run; None when it does not count."""
    meter = Meter(scene.layout, {**scene.store_pids, "client": os.getpid()})
    before = _look(scene, way.sku)
    meter.mark()
    try:
        told = last_words(
            python(*way.words(scene.sales.hot, scene.options.seconds)),
            scene.environment,
            core=scene.layout.server,
            seconds_max=START_SECONDS_MAX + scene.options.seconds,
        )
    except ToldNothing as error:
        runner.refused.append(f"ledger {way.sku}: {error}")
        return None
    meter.mark()
    after = _look(scene, way.sku)
    if not after.taken - before.taken == told["rows"] == after.reserved - before.reserved:
        runner.refused.append(
            f"ledger {way.sku}: {told['rows']} rows told, {after.taken - before.taken} taken"
        )
        return None
    return Sale(told["rows"] / told["seconds"], told["rows"], meter.usage())


def _look(scene: Scene, sku: str) -> Sold:
    return scene.stores.ask(lambda connection: ledger(connection, scene.sales.hot, sku, []))


def _gateway_row(row_id: str, goal: Goal, against: str, found: Found, scene: Scene) -> Row:
    ours, theirs = (found[name] for name in _NEEDS[row_id])
    return ratio_row(
        row_id,
        "durable reservations a second on one hot item, through the gateway",
        goal,
        _rates(ours),
        _rates(theirs),
        rounds=scene.options.rounds,
        against=against,
        limit=limited_by([each for each in ours if isinstance(each, Result)]),
        facts=_facts(found, _NEEDS[row_id]),
    )


def _buckets_row(found: Found, scene: Scene) -> Row:
    return ratio_row(
        "buckets_vs_row",
        f"rows a second, {WRITERS} writers of 16 rows at {BUCKETS['buckets']} buckets",
        Goal(None),
        _rates(found["buckets"]),
        _rates(found["row"]),
        rounds=scene.options.rounds,
        against="the same writers at one row",
        facts=_facts(found, ("buckets", "row")),
    )


def _cost_row(row_id: str, found: Found) -> Row:
    """Two cores show no more than what a split or a gateway costs: what it frees is waiting, not work."""
    what, against = COSTS[row_id]
    costs = [[_postgresql_seconds(each) for each in found[name]] for name in _NEEDS[row_id]]
    value = median(paired_ratio(*costs))
    why = "" if value is not None else "PostgreSQL is not ours to look at, or no run counted"
    return Row(row_id, what, value, Goal(None), against=against, why=why)


def _postgresql_seconds(run: Result | Sale | None) -> float | None:
    """Its processor seconds a row."""
    spent = 0.0 if run is None else run.usage.by_who.get("postgresql", 0.0)
    if run is None or not spent:
        return None
    # The usage of a way takes in its start and its end, in which nothing is sold: only its own count is right.
    return spent / (run.rows if isinstance(run, Sale) else run.rate * run.usage.seconds)


def _rates(runs: Sequence[Result | Sale | None]) -> list[float | None]:
    return [None if each is None else each.rate for each in runs]


def _facts(found: Found, names: Sequence[str]) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name in names:
        counted = [each for each in found[name] if each is not None]
        facts[name] = {"rates": [round(each.rate) for each in counted]}
        if counted:
            middle = sorted(counted, key=lambda each: each.rate)[len(counted) // 2]
            facts[name] = {"rates": [round(each.rate) for each in counted], **middle.usage.as_facts()}
    return facts
