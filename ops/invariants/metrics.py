"""What the last judgement found, for Prometheus. Set by the keeper after each round."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Gauge

from ops.invariants.rows import Row

VIOLATIONS: Final = Gauge(
    "floodgate_invariant_violations",
    "What broke each invariant when it was last judged; NaN while its evidence is away.",
    ["invariant"],
)
JUDGED_AT: Final = Gauge(
    "floodgate_invariants_judged_timestamp_seconds",
    "When each invariant was last judged; a value that stands still means that nobody can look.",
    ["invariant"],
)


def observe(rows: Iterable[Row]) -> None:
    """Publishes a judgement. A row that does not hold counts at least one violation, so that an alert on > 0 sees it."""
    for row in rows:
        if row.value is None:
            VIOLATIONS.labels(invariant=row.id).set(float("nan"))
            JUDGED_AT.labels(invariant=row.id)  # an alert on a series that does not exist never fires
            continue
        VIOLATIONS.labels(invariant=row.id).set(0 if row.holds else max(1.0, row.value))
        JUDGED_AT.labels(invariant=row.id).set_to_current_time()
