"""How many requests may be under way at once: a pure formula over measured windows, without a clock of its own.

Once a window, for the classes c of requests (paying, reserving, joining, browsing), with mean_c the mean time from
permit to answer and seconds_c the sum of these times in the window:

    bearable_c = max(target, 2 · base_c)
    stretch    = Σ seconds_c · mean_c / bearable_c  ÷  Σ seconds_c
    gradient   = min(2, max(½, 1 / stretch))
    limit'     = min(limit_max, max(limit_min, gradient · limit + √limit))       if the limit was in the way, else limit

Sources. The step `gradient · limit + √limit` with the clamp [½, 2] is that of Envoy's adaptive concurrency filter
(gradient = (minRTT + B) / sampleRTT, headroom √limit); no growth while the limit is not in the way, and means in place
of minima, are those of Gradient2 in Netflix's concurrency-limits. What differs, and why:

- **A target.** Both compare with a base round trip alone. Work that is committed in groups gets slower *because* it
  gets more efficient: a batch twice as large is not twice as long. Held to 1.5 × the idle round trip, a group commit
  runs at a third of its throughput. So up to `target` nothing is refused, and by Little's law the limit comes to rest at
  throughput × target.
- **No drift.** Gradient2's base is a slow average of what is measured, which creeps up while overload lasts; here
  base_c falls with every lower mean and rises only by evidence: when a window ran at a lower limit L' than the one
  before (L), mean' − (mean − mean') · L' / (L − L') is the time at no load of the straight line through both. A queue
  halves with the limit, and the line says 0; a store that has become slow does not care about the limit, and the line
  says its new round trip. Every decrease is such a test and may raise base_c; but things change while the limit
  falls, so while it stays in the way one window in 10 s (2 s after a rise) is run at half the limit, and what its line
  says is base_c. (BBR's PROBE_RTT, which goes down to four packets; half is enough for a line and costs a queue
  nothing but its length.)
- **Classes.** They are weighted by the time they occupy, so a thousand views from memory say nothing about stock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CLASSES: Final = 4
GRADIENT_MIN: Final = 0.5  # no window, however strange, may cost more than half
GRADIENT_MAX: Final = 2.0
TOLERANCE: Final = 2.0  # a request may wait for one batch before its own
USED_SHARE: Final = 0.8  # from here on the limit counts as in the way, even if nobody was refused yet
PROBE_SECONDS: Final = 10.0
CONFIRM_SECONDS: Final = 2.0  # a base that a decrease has raised is probed so soon: things were changing then
PROBE_SHARE: Final = 0.5
PROBE_STRETCH: Final = 0.8  # below it the target bears everything, whatever the base is
LOWER_LIMIT: Final = 0.8  # a window counts as lower when its limit was at most this share of the one before


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured while one limit was in force. By class: answers, and the sum of their seconds."""

    elapsed_seconds: float
    answers: Sequence[int]
    seconds: Sequence[float]
    refused: int
    in_flight: int

    def mean(self, number: int) -> float:
        """The mean seconds of a class; 0 where it had no answer."""
        return self.seconds[number] / self.answers[number] if self.answers[number] else 0.0


class Limiter:
    """The limit of one process; `observe` it after each window."""

    def __init__(self, *, target_seconds: float, start: int, lowest: int, highest: int) -> None:
        self._target, self._lowest, self._highest = target_seconds, float(lowest), float(highest)
        self.limit = min(self._highest, max(self._lowest, float(start)))
        self.bases: list[float] = [math.inf] * CLASSES
        self.stretch = 0.0
        self._before: tuple[float, tuple[float, ...]] | None = None  # a limit and the means under it
        self._kept: float | None = None  # the limit to return to after a probe
        self._since_probe_seconds = 0.0

    @property
    def probing(self) -> bool:
        """Whether this window runs at half the limit to learn the base."""
        return self._kept is not None

    def observe(self, seen: Window) -> float:
        """The limit for the next window."""
        self._since_probe_seconds += seen.elapsed_seconds
        if not any(seen.answers):
            return self._without_answers(seen)
        in_the_way = seen.refused > 0 or seen.in_flight >= USED_SHARE * self.limit
        self._learn(seen, in_the_way=in_the_way)
        self.stretch = self._stretch(seen)
        if self._kept is not None:
            self.limit, self._kept = self._kept, None
        elif in_the_way:
            gradient = min(GRADIENT_MAX, max(GRADIENT_MIN, 1 / self.stretch))
            self.limit = self._clamped(gradient * self.limit + math.sqrt(self.limit))
            self._probe_if_due()
        return self.limit

    def _without_answers(self, seen: Window) -> float:
        """Nothing came back: a store stands still, and what is let in now only waits for it."""
        if self._kept is not None:
            self.limit, self._kept = self._kept, None
        if seen.refused and seen.in_flight:
            self.limit = self._clamped(self.limit * GRADIENT_MIN)
        self._before = None
        return self.limit

    def _learn(self, seen: Window, *, in_the_way: bool) -> None:
        means = tuple(seen.mean(number) for number in range(CLASSES))
        for number, mean in enumerate(means):
            if mean:
                self.bases[number] = min(self.bases[number], mean)
        if in_the_way and self._before is not None and self.limit <= LOWER_LIMIT * self._before[0]:
            self._compare(means, *self._before)
        self._before = (self.limit, means) if in_the_way else None

    def _compare(
        self, means: tuple[float, ...], limit_before: float, means_before: tuple[float, ...]
    ) -> None:
        for number, (mean, mean_before) in enumerate(zip(means, means_before, strict=True)):
            if mean and mean_before:
                slope = (mean_before - mean) / (limit_before - self.limit)
                at_no_load = min(mean, max(0.0, mean - slope * self.limit))
                if self.probing:
                    self.bases[number] = at_no_load
                elif at_no_load > self.bases[number]:
                    self.bases[number] = at_no_load
                    self._since_probe_seconds = max(
                        self._since_probe_seconds, PROBE_SECONDS - CONFIRM_SECONDS
                    )

    def _stretch(self, seen: Window) -> float:
        total = weighted = 0.0
        for number, seconds in enumerate(seen.seconds):
            if seconds:
                bearable = max(self._target, TOLERANCE * self.bases[number])
                total += seconds
                weighted += seconds * seen.mean(number) / bearable
        return max(weighted / total, 1e-6) if total else 1e-6

    def _probe_if_due(self) -> None:
        if self.stretch >= PROBE_STRETCH and self._since_probe_seconds >= PROBE_SECONDS:
            self._since_probe_seconds = 0.0
            self._kept = self.limit
            self.limit = max(self._lowest, self.limit * PROBE_SHARE)

    def _clamped(self, limit: float) -> float:
        return min(self._highest, max(self._lowest, limit))
