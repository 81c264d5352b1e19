"""What a claim costs with three Redis masters beside one: the same batches over the same buckets, given up again.

Masters share nothing but the line to their client, so on machines of their own three bear three times as much. Two cores
cannot show that rate, for all masters share one: what they show is whether a claim costs more in a cluster. As many
core-seconds a claim as with one master is a line that goes straight up.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from loadtests.bench.cores import Meter, Usage
from loadtests.bench.launch import ToldNothing, last_words, python
from loadtests.bench.rows import Goal, Row, missing_row, ratio_row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene
from loadtests.bench.servers import WITHIN
from loadtests.bench.stores import Stores, stores

SKU: Final = "buckets"
MASTERS: Final = ("redis-node-1", "redis-node-2", "redis-node-3")
START_SECONDS_MAX: Final = 60.0
COST_MAX: Final = 1.36  # three masters that each bear a claim at this cost bear 2.2 times what one does
WHAT: Final[Mapping[str, tuple[str, Goal]]] = {
    "masters_vs_one": ("claims a second at three Redis masters that share a core", Goal(None)),
    "masters_vs_one_cost": (
        "the masters' core-seconds a claim, three Redis masters",
        Goal(COST_MAX, "at most"),
    ),
}
ROWS: Final = tuple(WHAT)
AGAINST: Final = "one Redis, the same buckets"


@dataclass(frozen=True, slots=True)
class Claims:
    """One run: claims a second, and core-seconds a million of them by who spent them."""

    rate: float
    masters: float
    replicas: float
    client_busy: float


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """Both rows, from the same rounds."""
    wanted = [row_id for row_id in ROWS if scene.options.wants(row_id)]
    found = _rounds(scene, runner) if wanted else {}
    return [_row(row_id, found, scene) for row_id in wanted]


def _rounds(scene: Scene, runner: Runner) -> dict[str, list[Claims | None]]:
    # The sale and its buckets are the bench's; what is claimed here must not lie in the Redis of its other runs.
    named = {"DATABASE_URL": scene.environment["DATABASE_URL"]}
    found: dict[str, list[Claims | None]] = {"three": [], "one": []}
    with ExitStack() as stack:
        runner.show("starting a Redis Cluster, and a Redis beside it")
        begun = {
            name: stack.enter_context(
                stores(scene.options.folder / name, scene.layout, named=named, clustered=name == "three")
            )
            for name in found
        }
        for number in range(scene.options.rounds):
            for name in found if number % 2 == 0 else reversed(found):
                runner.show(f"claims: {name}, round {number + 1} of {scene.options.rounds}")
                found[name].append(_claim(name, begun[name], scene, runner))
    return found


def _claim(name: str, servers: Stores, scene: Scene, runner: Runner) -> Claims | None:
    """One run; None when it does not count."""
    meter = Meter(scene.layout, {who: pid for who, pid in servers.pids.items() if "broker" not in who})
    meter.mark()
    try:
        told = last_words(
            python("-m", WITHIN, "claims", scene.sales.hot, SKU, str(scene.options.seconds)),
            {**scene.environment, **servers.environment},
            core=scene.layout.server,
            seconds_max=START_SECONDS_MAX + scene.options.seconds,
        )
    except ToldNothing as error:
        runner.refused.append(f"claims {name}: {error}")
        return None
    meter.mark()
    return judged(told["claims"], told["seconds"], meter.usage())


def judged(claims: float, seconds: float, usage: Usage) -> Claims:
    """What a run of so many claims cost; a Redis that stands alone is a master."""
    spent = {"masters": 0.0, "replicas": 0.0}
    for who, used in usage.by_who.items():
        spent["masters" if who in {*MASTERS, "redis"} else "replicas"] += used / claims * 1e6
    return Claims(claims / seconds, spent["masters"], spent["replicas"], usage.server_busy)


def _row(row_id: str, found: Mapping[str, list[Claims | None]], scene: Scene) -> Row:
    what, goal = WHAT[row_id]
    of = {
        name: [None if each is None else each.masters if goal.number else each.rate for each in runs]
        for name, runs in found.items()
    }
    if not all(any(each) for each in of.values()):
        return missing_row(row_id, what, goal, against=AGAINST, why="no run counted")
    facts = {name: [None if each is None else _told(each) for each in runs] for name, runs in found.items()}
    return ratio_row(
        row_id, what, goal, of["three"], of["one"], rounds=scene.options.rounds, against=AGAINST, facts=facts
    )


def _told(run: Claims) -> dict[str, float]:
    return {
        "rate": round(run.rate),
        "masters_core_seconds_a_million": round(run.masters, 2),
        "replicas_core_seconds_a_million": round(run.replicas, 2),
        "client_core_busy": round(run.client_busy, 2),
    }
