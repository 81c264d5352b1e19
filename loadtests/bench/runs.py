"""Runs of subjects: saturated, in turns, each held against its books before it counts."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import uvloop

from loadtests.bench.client.closed import Load, Saturation, saturate
from loadtests.bench.cores import Layout, Meter, Usage
from loadtests.bench.options import Options
from loadtests.bench.subjects import Subject

TRIES: Final = 2  # a run that does not count is made once more
WARM_SECONDS: Final = 0.4
FULL: Final = 0.95  # a core as busy as this has nothing left to give


@dataclass(frozen=True, slots=True)
class Result:
    """One run that counts."""

    subject: str
    rate: float  # good answers a second
    shed: float  # honest refusals a second
    usage: Usage

    @property
    def capacity(self) -> float:
        """Good answers a busy second of the server's core: what it would answer if nothing else were the limit."""
        return self.rate / max(self.usage.server_busy, 0.01)

    def as_facts(self) -> dict[str, Any]:
        return {
            "rate": round(self.rate, 1),
            "per_busy_core_second": round(self.capacity, 1),
            "shed": round(self.shed, 1),
            **self.usage.as_facts(),
        }


@dataclass(slots=True)
class Runner:
    """Runs subjects and remembers what did not count, and why."""

    options: Options
    layout: Layout
    show: Callable[[str], None]
    refused: list[str] = field(default_factory=list)
    # By subject, for the questions that need the same one.
    knees: dict[str, Any] = field(default_factory=dict)
    # By title, for the report; and what is worth a profile.
    results: dict[str, list[Result | None]] = field(default_factory=dict)
    profiled: dict[str, Subject] = field(default_factory=dict)

    def turns(self, subjects: Sequence[Subject]) -> dict[str, list[Result | None]]:
        """Each subject once a round, every second round backwards; None for a run that did not count."""
        results: dict[str, list[Result | None]] = {subject.name: [] for subject in subjects}
        self.profiled |= {subject.title: subject for subject in subjects}
        for number in range(self.options.rounds):
            order = subjects if number % 2 == 0 else list(reversed(subjects))
            for subject in order:
                self.show(f"{subject.title}, round {number + 1} of {self.options.rounds}")
                results[subject.name].append(self.once(subject))
        self.results |= {subject.title: results[subject.name] for subject in subjects}
        return results

    def once(self, subject: Subject, seconds: float | None = None) -> Result | None:
        """One run; a second try where the first did not count, then None."""
        for _ in range(TRIES):
            meter = Meter(self.layout, subject.pids)
            guessed = subject.rate_guess
            saturation = self._saturate(subject, seconds or self.options.seconds, meter)
            subject.rate_guess = max(1000.0, saturation.rate(*subject.good, *subject.tolerated))
            complaint = subject.complaint(saturation.tally)
            if complaint is None and saturation.exhausted:
                complaint = "it was faster than its requests were made"
                # The rate of a run that had nothing to send for a part of its time says little.
                subject.rate_guess = 4 * max(guessed, subject.rate_guess)
            if complaint is None:
                rate, shed = saturation.rate(*subject.good), saturation.rate(*subject.tolerated)
                return Result(subject.name, rate, shed, meter.usage())
            self.refused.append(f"{subject.title}: {complaint}")
        return None

    def _saturate(self, subject: Subject, seconds: float, meter: Meter) -> Saturation:
        load = Load(
            subject.ports, subject.connections, subject.depth, seconds, WARM_SECONDS, awake=subject.awake
        )
        requests = subject.requests(seconds + WARM_SECONDS)
        try:
            return uvloop.run(saturate(load, requests, keep_granted=not subject.again, at_edge=meter.mark))
        finally:
            gc.collect()  # connections and transports refer to each other; while they are timed nothing is collected


def rates(results: Sequence[Result | None]) -> list[float | None]:
    return [None if result is None else result.rate for result in results]


def capacities(results: Sequence[Result | None]) -> list[float | None]:
    return [None if result is None else result.capacity for result in results]


def middle(results: Sequence[Result | None]) -> Result | None:
    """The run in the middle of those that count."""
    counted = sorted((each for each in results if each is not None), key=lambda each: each.rate)
    return counted[len(counted) // 2] if counted else None


def limited_by(results: Sequence[Result | None]) -> str:
    """What was full in the middle run: the measured answer to "what limits it"."""
    run = middle(results)
    return "" if run is None else told_limit(run.usage)


def told_limit(usage: Usage) -> str:
    """In a sentence: which core was full, and of what."""
    shares = sorted(usage.by_who.items(), key=lambda pair: -pair[1])
    split = ", ".join(f"{who} {seconds / usage.seconds:.0%}" for who, seconds in shares)
    kernel = usage.server_kernel / max(usage.server_busy, 0.01)
    where = f"server core {usage.server_busy:.0%} busy ({kernel:.0%} of it in the kernel), load core {usage.load_busy:.0%}"
    if usage.server_busy >= FULL:
        return f"the server's core is full: {where}; {split}"
    if usage.load_busy >= FULL:
        return f"the core that load and stores share is full: {where}; {split}"
    return f"neither core is full, it waits for round trips: {where}; {split}"
