"""Latency when requests come as they like: p99 at 70 % of the knee, beside nginx at the same offered rate.

The p99 is of everything that was planned, measured from the planned instant; what was not sent or not granted counts as
slower than all that was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from loadtests.bench.knees import Knee, find_knee, offer
from loadtests.bench.measures.reserving import NGINX, Shop
from loadtests.bench.rows import Goal, Row, missing_row, ratio_row
from loadtests.bench.runs import Runner, told_limit
from loadtests.bench.scene import Scene
from loadtests.bench.subjects import Subject

SHARE: Final = 0.7
AT_MOST: Final = Goal(1.5, "at most")
GOALS: Final = {
    "p99_durable": ("durable", "arrivals", "p99 at 70 % of the knee, open arrivals, durable"),
    "p99_unwritten": (
        "unwritten",
        "unwritten-arrivals",
        "p99 at 70 % of the knee, open arrivals, all duties but the commit",
    ),
}
ROWS: Final = (*GOALS, "knee_durable", "knee_unwritten")


@dataclass(frozen=True, slots=True)
class Latency:
    """One run at the offered rate."""

    p99_ms: float
    facts: dict[str, Any]


def rows(scene: Scene, runner: Runner) -> list[Row]:
    found: list[Row] = []
    for row_id, (name, sku, what) in GOALS.items():
        if scene.options.wants(row_id, f"knee_{name}"):
            found += _rows(row_id, Shop(scene, name).subject(sku), what, scene, runner)
    return found


def _rows(row_id: str, subject: Subject, what: str, scene: Scene, runner: Runner) -> list[Row]:
    knee = knee_of(subject, runner)
    told = Row(
        row_id.replace("p99", "knee"),
        f"knee of open arrivals: {subject.title}",
        knee.rate or None,
        Goal(None, unit="a second"),
        facts=knee.as_facts(),
    )
    if "nginx" in scene.missing:
        why = f"nginx is not here: {scene.missing['nginx']}"
        return [told, missing_row(row_id, what, AT_MOST, against=NGINX, why=why)]
    rate = SHARE * knee.rate
    if not rate:
        return [told, missing_row(row_id, what, AT_MOST, against=NGINX, why="no knee was found")]
    other = Shop(scene, "nginx").subject(f"{row_id}-nginx")
    ours, theirs = _in_turns((subject, other), rate, runner)
    facts = {
        "offered": round(rate),
        "ours": [each and each.facts for each in ours],
        "theirs": [each and each.facts for each in theirs],
    }
    return [
        told,
        ratio_row(
            row_id, what, AT_MOST, _p99s(ours), _p99s(theirs), rounds=scene.options.rounds, against=f"{NGINX}, at the same offered rate",
            limit=next((each.facts["limit"] for each in ours if each), ""), facts=facts,
        ),
    ]  # fmt: skip


def knee_of(subject: Subject, runner: Runner) -> Knee:
    """Found from its saturated rate; remembered, for those who ask again."""
    if subject.name not in runner.knees:
        saturated = runner.once(subject)
        knee = Knee(0.0) if saturated is None else find_knee(subject, saturated.rate, runner)
        runner.knees[subject.name] = knee
    found: Knee = runner.knees[subject.name]
    return found


def _in_turns(
    subjects: tuple[Subject, Subject], rate: float, runner: Runner
) -> tuple[list[Latency | None], list[Latency | None]]:
    found: dict[str, list[Latency | None]] = {subject.name: [] for subject in subjects}
    for number in range(runner.options.rounds):
        for subject in subjects if number % 2 == 0 else subjects[::-1]:
            runner.show(
                f"{subject.title} at {rate:,.0f} a second, round {number + 1} of {runner.options.rounds}"
            )
            found[subject.name].append(_once(subject, rate, runner))
    return found[subjects[0].name], found[subjects[1].name]


def _once(subject: Subject, rate: float, runner: Runner) -> Latency | None:
    opened, usage = offer(subject, rate, runner.options.seconds, runner)
    complaint = subject.complaint(opened.tally)
    if complaint is not None:
        runner.refused.append(f"{subject.title}, open arrivals: {complaint}")
        return None
    histogram = opened.histogram()
    facts = {
        **histogram.summary(),
        "planned": opened.planned,
        "sent": opened.sent,
        "unsent": opened.unsent,
        "good": opened.good,
        "reopened": opened.reopened,
        "by_status": opened.tally.by_status(),
        "limit": told_limit(usage),
    }
    return Latency(histogram.percentile_ms(99), facts)


def _p99s(latencies: Sequence[Latency | None]) -> list[float | None]:
    """A p99 that never came has no ratio."""
    return [None if each is None or math.isinf(each.p99_ms) else each.p99_ms for each in latencies]
