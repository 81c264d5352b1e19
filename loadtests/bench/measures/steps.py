"""What each step of an order costs, in processor seconds by who spends them: join, poll, admit, reserve, pay, confirm, reward.

A rate is that of this machine; core-seconds a step hold for any number of machines, and `loadtests.bench.scale` works
from them. The provider is not ours: what its simulator uses is not counted. In the report's facts, bytes are those of one
request and its answer on the wire above TCP, and WAL bytes those that PostgreSQL wrote meanwhile.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from loadtests.bench.cores import Meter, Usage
from loadtests.bench.measures.street import SETTLE_SECONDS, Street, send
from loadtests.bench.rows import Goal, Row, median, missing_row
from loadtests.bench.runs import WARM_SECONDS, Result, Runner
from loadtests.bench.scene import Scene

STEPS: Final = ("join", "poll", "admit", "reserve", "pay", "confirm", "reward")
ROWS: Final = tuple(f"step_{step}" for step in STEPS)
UNIT: Final = "core-seconds a million"
OURS: Final = ("gateway", "redis", "postgresql", "redis-broker", "keeper", "worker")
REWARD_SECONDS_MAX: Final = 120.0
LOOK_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 10.0  # the keeper's longest usual round comes every few seconds
PAYMENTS: Final = 20_000  # more than a bench confirms


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """One row a step, in the order in which an order takes them; a later step needs what the earlier ones left."""
    if not scene.options.wants(*ROWS):
        return []
    with ExitStack() as stack:
        street = Street(scene, stack)
        made = [_request_row(step, street, scene, runner) for step in STEPS[:5]]
        street.open_payments(PAYMENTS)
        # Started before there is anything to do, and paused until there is: what starting costs is no reward's.
        house = street.pause_keeper_and_worker()
        idle = _idle(house, scene, runner)
        made += [
            _request_row("confirm", street, scene, runner),
            _reward_row(house, idle, street, scene, runner),
        ]
    return [row for row in made if scene.options.wants(row.id)]


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds a million steps by who spends them, in one run."""

    by_who: Mapping[str, float]
    wal_bytes: float

    @property
    def total(self) -> float:
        return sum(self.by_who.values())


def _request_row(step: str, street: Street, scene: Scene, runner: Runner) -> Row:
    """A step that is one request, saturated round by round."""
    sizes = street.sizes(street.subject(step))
    subject = street.subject(step)
    costs: list[Cost] = []
    whole = scene.options.seconds + WARM_SECONDS
    results: list[Result | None] = []
    for number in range(scene.options.rounds):
        runner.show(f"{subject.title}, round {number + 1} of {scene.options.rounds}")
        before, refused = street.wal_bytes(), len(runner.refused)
        run = runner.once(subject)
        results.append(run)
        if run is not None and run.rate and len(runner.refused) == refused:
            # What was written while it warmed up and drained is in the numerator and not in the rate: the window's share.
            written = (street.wal_bytes() - before) * run.usage.seconds / whole
            costs.append(_cost(run.usage, run.rate * run.usage.seconds, written))
    runner.results[subject.title] = results
    return _row(step, costs, sizes)


def _house_meter(house: Mapping[str, int], scene: Scene) -> Meter:
    pids = {**house, **scene.store_pids, "redis-broker": scene.stores.pids.get("redis-broker", 0)}
    return Meter(scene.layout, {name: pid for name, pid in pids.items() if pid})


def _idle(house: Mapping[str, int], scene: Scene, runner: Runner) -> Mapping[str, float]:
    """Core-seconds a second by who spends them while nothing is to be paid: the keeper looks around all the same."""
    runner.show("step reward: keeper and worker with nothing to do")
    send(house, signal.SIGCONT)
    time.sleep(SETTLE_SECONDS)
    meter = _house_meter(house, scene)
    meter.mark()
    time.sleep(IDLE_SECONDS)
    meter.mark()
    send(house, signal.SIGSTOP)
    usage = meter.usage()
    return {who: seconds / usage.seconds for who, seconds in usage.by_who.items()}


def _reward_row(
    house: Mapping[str, int], idle: Mapping[str, float], street: Street, scene: Scene, runner: Runner
) -> Row:
    """From the first ring to the last reward of everybody who was confirmed, or as far as the bound on it lets them come.

    What keeper and stores spend anyway, however many rewards there are, is told beside it and no reward's.
    """
    runner.show("step reward: keeper and worker pay what was promised")
    meter, before, paid = _house_meter(house, scene), street.wal_bytes(), street.paid()
    meter.mark()
    send(house, signal.SIGCONT)
    deadline = time.monotonic() + REWARD_SECONDS_MAX
    while street.undone() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    meter.mark()
    rewards = street.paid() - paid
    if not rewards:
        return missing_row(
            "step_reward", _what("reward"), Goal(None, unit=UNIT), against="", why="nothing was to be paid"
        )
    usage = meter.usage()
    cost = _cost(beyond(usage, idle), rewards, street.wal_bytes() - before)
    anyway = {who: round(each, 3) for who, each in idle.items() if who in OURS}
    return _row(
        "reward", [cost], {"rewards": rewards, "seconds": round(usage.seconds, 1), "idle_cores": anyway}
    )


def beyond(usage: Usage, idle: Mapping[str, float]) -> Usage:
    """The usage without what would have been spent in that time anyway."""
    spent = {
        who: max(0.0, seconds - idle.get(who, 0.0) * usage.seconds) for who, seconds in usage.by_who.items()
    }
    return replace(usage, by_who=spent)


def _cost(usage: Usage, steps: float, wal_bytes: float) -> Cost:
    spent = {who: seconds / steps * 1e6 for who, seconds in usage.by_who.items() if who in OURS}
    return Cost(spent, wal_bytes / steps)


def _row(step: str, costs: Sequence[Cost], facts: Mapping[str, object]) -> Row:
    goal = Goal(None, unit=UNIT)
    if not costs:
        return missing_row(f"step_{step}", _what(step), goal, against="", why="no run counted")
    middle = sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]
    spent = {who: round(seconds, 3) for who, seconds in middle.by_who.items()}
    told = {"core_seconds_a_million": spent, "wal_bytes": round(max(0.0, middle.wal_bytes)), **facts}
    return Row(f"step_{step}", _what(step), median([cost.total for cost in costs]), goal, facts=told)


def _what(step: str) -> str:
    return f"all of ours together, a {step}"
