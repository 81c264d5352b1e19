"""The rows of a report: what was measured, what it should be, and whether it is. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Goal:
    """`at least 1.4`. None as a number: the value is told and judged by nobody."""

    number: float | None
    side: Side = "at least"
    unit: str = "x"

    @property
    def text(self) -> str:
        return "told" if self.number is None else f"{'≥' if self.side == 'at least' else '≤'} {self.number:g}"

    def holds(self, value: float | None) -> bool:
        """What could not be measured does not hold."""
        if value is None or math.isnan(value):
            return False
        if self.number is None:
            return True
        return value >= self.number if self.side == "at least" else value <= self.number


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `why` says what keeps it from being measured, `limit` what limits it now, `facts` the figures behind."""

    id: str
    what: str
    value: float | None
    goal: Goal
    against: str = ""
    why: str = ""
    limit: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.goal.holds(self.value)

    def as_document(self) -> dict[str, Any]:
        """As every report of ours has its rows, and what explains them."""
        value = None if self.value is None or not math.isfinite(self.value) else round(self.value, 4)
        return {
            "id": self.id,
            "what": self.what,
            "value": value,
            "unit": self.goal.unit,
            "goal": self.goal.text,
            "holds": self.holds,
            "against": self.against,
            "why": self.why,
            "limited_by": self.limit,
            "facts": dict(self.facts),
        }


def median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def spread(values: Sequence[float]) -> float | None:
    """Half of the distance between the quartiles, as a share of the median: how far rounds lie apart."""
    if len(values) < 2:
        return None
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle else None


def paired_ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Round by round, so that what slows the machine for a while slows both; rounds that miss one are left out."""
    return [
        mine / other
        for mine, other in zip(ours, theirs, strict=True)
        if mine is not None and other is not None and other > 0
    ]


def ratio_row(
    row_id: str,
    what: str,
    goal: Goal,
    ours: Sequence[float | None],
    theirs: Sequence[float | None],
    *,
    rounds: int,
    against: str,
    limit: str = "",
    facts: Mapping[str, Any] | None = None,
) -> Row:
    """The median of the rounds' ratios; too few valid rounds are no result."""
    ratios = paired_ratio(ours, theirs)
    told = {"ratios": [round(each, 3) for each in ratios], "spread": spread(ratios), **(facts or {})}
    if len(ratios) < rounds:
        why = f"only {len(ratios)} of {rounds} rounds passed their checks"
        return Row(row_id, what, None, goal, against, why, limit, told)
    return Row(row_id, what, median(ratios), goal, against, "", limit, told)


def missing_row(row_id: str, what: str, goal: Goal, *, against: str, why: str) -> Row:
    """A row that could not be measured. It does not hold."""
    return Row(row_id, what, None, goal, against, why)
