"""The form every judgement takes: one row a truth, the same in reports, metrics and tests."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One judged truth. `value` is what was counted, None where the evidence could not be had: then nothing holds."""

    id: str
    what: str
    value: float | None
    unit: str
    goal: str
    holds: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def violations(truth_id: str, what: str, count: int) -> Row:
    """The row of a truth that is judged by counting what breaks it."""
    return Row(truth_id, what, count, "violations", "= 0", count == 0)


def unjudged(truth_id: str, what: str) -> Row:
    """The row of a truth whose evidence is away: unknown is never called good."""
    return Row(truth_id, what, None, "violations", "= 0", holds=False)
