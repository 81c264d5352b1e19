"""Does a reservation cost more when millions have been sold? All of ours together, processor seconds a reservation.

The last question of a bench: the rows it writes (BENCH_ROWS) stay. Before and after cannot take turns, so what is compared
is processor time, which other work on the machine hardly changes, and not rates.
"""

from typing import Final

from loadtests.bench.fill import fill
from loadtests.bench.measures.reserving import Shop
from loadtests.bench.rows import Goal, Row, median
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene
from loadtests.bench.subjects import Subject

ROW: Final = "cost_after_sold_rows"
ROWS: Final = (ROW,)
GOAL: Final = Goal(1.2, "at most")
FEW: Final = 1_000
OURS: Final = ("durable", "redis", "postgresql")


def rows(scene: Scene, runner: Runner) -> list[Row]:
    if not scene.options.wants(ROW):
        return []
    many = scene.options.rows
    fill(scene.stores, scene.sales.hot, "sold", FEW)
    before = _costs(Shop(scene, "durable").subject("sold"), f"{FEW:,} rows sold", scene, runner)
    runner.show(f"writing {many:,} sold rows")
    fill(scene.stores, scene.sales.hot, "sold", many, first=FEW + 1)
    after = _costs(Shop(scene, "durable").subject("sold"), f"{many:,} rows sold", scene, runner)
    facts = {"rows": many, "core_seconds_a_million": {"before": before, "after": after}}
    first, then = median(before), median(after)
    what = f"core-seconds a reservation after {many:,} sold rows of its item"
    against = f"after about {FEW:,}"
    if first is None or then is None:
        return [Row(ROW, what, None, GOAL, against, "no run counted", facts=facts)]
    return [Row(ROW, what, then / first, GOAL, against, facts=facts)]


def _costs(subject: Subject, when: str, scene: Scene, runner: Runner) -> list[float]:
    """Core-seconds a million reservations, round by round."""
    costs = []
    for number in range(scene.options.rounds):
        runner.show(f"{when}, round {number + 1} of {scene.options.rounds}")
        run = runner.once(subject)
        if run is not None:
            spent = sum(run.usage.by_who.get(who, 0.0) for who in OURS)
            costs.append(round(spent / run.usage.seconds / run.rate * 1e6, 2))
    return costs
