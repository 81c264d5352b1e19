"""What the crowd measured: latencies per stage, outcomes per persona, retries and errors; written as one JSON file."""

import math
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values in ascending order; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


@dataclass(slots=True)
class Stage:
    """One kind of request: every latency in milliseconds (8 bytes each), and when the first and last were sent."""

    milliseconds: "array[float]" = field(default_factory=lambda: array("d"))
    first_at: float = math.inf
    last_at: float = -math.inf

    def note(self, started: float, ended: float) -> None:
        self.milliseconds.append((ended - started) * 1000)
        self.first_at = min(self.first_at, started)
        self.last_at = max(self.last_at, ended)

    def summary(self) -> dict[str, float]:
        ordered = sorted(self.milliseconds)
        seconds = max(self.last_at - self.first_at, 0.001) if ordered else 1.0
        return {
            "count": len(ordered),
            "p50_ms": round(percentile(ordered, 0.50), 2),
            "p99_ms": round(percentile(ordered, 0.99), 2),
            "max_ms": round(ordered[-1], 2) if ordered else 0.0,
            "requests_per_second": round(len(ordered) / seconds, 1),
        }


class Figures:
    """All figures of one crowd. Everybody writes here; one thread, so no lock."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = defaultdict(Stage)
        self.from_plan: dict[str, Stage] = defaultdict(Stage)
        self.told: Counter[str] = Counter()
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.retries: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.started = time.monotonic()

    @property
    def requests(self) -> int:
        return sum(len(stage.milliseconds) for stage in self.stages.values())

    def summary(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The summary file: `facts` of the run, then the figures."""
        seconds = time.monotonic() - self.started
        totals: Counter[str] = sum(self.outcomes.values(), Counter())
        return {
            **facts,
            "seconds": round(seconds, 1),
            "requests": self.requests,
            "requests_per_second": round(self.requests / max(seconds, 0.001), 1),
            "stages": {name: stage.summary() for name, stage in sorted(self.stages.items())},
            "from_plan": {name: stage.summary() for name, stage in sorted(self.from_plan.items())},
            "outcomes": {who: dict(sorted(kinds.items())) for who, kinds in sorted(self.outcomes.items())},
            "totals": dict(sorted(totals.items())),
            "told": dict(sorted(self.told.items())),
            "forgeries": {
                "refused": self.told["forged_refused"],
                "accepted": self.errors["forgery_accepted"],
            },
            "retries": dict(sorted(self.retries.items())),
            "errors": dict(sorted(self.errors.items())),
        }
