"""The knee of a server: the highest open arrival rate that it answers in full and in time. Bisected in short runs."""

import gc
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import uvloop

from loadtests.bench.client.lines import Tally
from loadtests.bench.client.opened import Arrivals, Opened, arrive
from loadtests.bench.cores import Meter, Usage
from loadtests.bench.runs import Runner
from loadtests.bench.subjects import Subject

P99_MS_MAX: Final = 50.0  # half of what a person notices; past the knee it is seconds
ANSWERED_SHARE: Final = 0.99
STEPS: Final = 6  # to within two per cent of the saturated rate
STEP_SECONDS: Final = 2.0
CONNECTIONS: Final = 512
SETTLE_RATE: Final = 2000.0  # a second, far below any knee
SETTLE_SECONDS_MAX: Final = 60.0
SETTLE_CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Step:
    """One try on the way to the knee."""

    rate: float
    goodput: float
    p99_ms: float
    unsent: int
    holds: bool


@dataclass(slots=True)
class Knee:
    """The rate, and how it was found."""

    rate: float
    steps: list[Step] = field(default_factory=list)

    def as_facts(self) -> dict[str, Any]:
        return {
            "knee": round(self.rate),
            "steps": [
                {
                    "rate": round(step.rate),
                    "goodput": round(step.goodput),
                    "p99_ms": None if math.isinf(step.p99_ms) else round(step.p99_ms, 2),
                    "unsent": step.unsent,
                    "holds": step.holds,
                }
                for step in self.steps
            ],
        }


def in_time(opened: Opened) -> bool:
    """Whether a run is below the knee."""
    return (
        opened.good >= ANSWERED_SHARE * opened.planned and opened.histogram().percentile_ms(99) <= P99_MS_MAX
    )


def bisect(saturated: float, try_rate: Callable[[float], Step], steps: int = STEPS) -> Knee:
    """Between a fifth of the saturated rate and all of it; 0 where not even the fifth holds."""
    low, high, knee = saturated * 0.2, saturated * 1.05, Knee(0.0)
    first = try_rate(low)
    knee.steps.append(first)
    if not first.holds:
        return knee
    for _ in range(steps):
        middle = (low + high) / 2
        step = try_rate(middle)
        knee.steps.append(step)
        low, high = (middle, high) if step.holds else (low, middle)
    knee.rate = low
    return knee


def find_knee(subject: Subject, saturated: float, runner: Runner) -> Knee:
    """Each step is held against the books like any run; one that does not count does not hold."""

    def try_rate(rate: float) -> Step:
        runner.show(f"{subject.title}: looking for the knee at {rate:,.0f} a second")
        opened, _ = offer(subject, rate, min(STEP_SECONDS, runner.options.seconds), runner)
        p99 = opened.histogram().percentile_ms(99)
        complaint = subject.complaint(opened.tally)
        if complaint is not None:
            runner.refused.append(f"{subject.title}, open arrivals: {complaint}")
        holds = complaint is None and in_time(opened)
        return Step(rate, opened.goodput, p99, opened.unsent, holds)

    return bisect(saturated, try_rate)


def offer(
    subject: Subject,
    rate: float,
    seconds: float,
    runner: Runner,
    *,
    connections: int = CONNECTIONS,
    again: bool = False,
    in_time_seconds: float = math.inf,
    requests: Iterable[bytes] | None = None,
) -> tuple[Opened, Usage]:
    """Open arrivals at a subject; of `requests`, where they are made already."""
    made = iter(subject.make(int(rate * seconds * 1.1) + 1000) if requests is None else requests)
    meter = Meter(runner.layout, subject.pids)
    arrivals = Arrivals(subject.ports, connections, rate, seconds)
    opened = uvloop.run(
        arrive(
            arrivals,
            made,
            good=subject.good,
            keep_granted=True,
            again=again,
            in_time_seconds=in_time_seconds,
            at_edge=meter.mark,
        )
    )
    gc.collect()
    return opened, meter.usage()


def settle(subject: Subject, undecided: Sequence[bytes]) -> Tally:
    """Asks again, at leisure, for everybody whose last answer was a 503, until each has another one."""
    arrivals = Arrivals(subject.ports, SETTLE_CONNECTIONS, SETTLE_RATE, SETTLE_SECONDS_MAX)
    asked = arrive(arrivals, iter(undecided), good=subject.good, keep_granted=True, again=True)
    return uvloop.run(asked).tally
