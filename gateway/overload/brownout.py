"""Which work is put off while the event loop itself is late: browsing first, then joining, never buying or paying.

The concurrency limit sees what waits for the stores; it cannot see what waits for the processor, because a request
answered from memory is never under way. That is what the loop's lag shows: how late a timer fires is how long every
readable socket waited in that round.
"""

from typing import Final

from gateway.overload.priority import Priority

STEP_UP_TICKS: Final = 2  # one late tick may be a garbage collection
STEP_DOWN_TICKS: Final = 10  # half a second of calm, so that it does not flap with the crowd
LEVEL_MAX: Final = 2


class Brownout:
    """Level 0: everything. 1: no browsing. 2: no joining either."""

    def __init__(self, lag_seconds_max: float) -> None:
        self._lag_seconds_max = lag_seconds_max
        self.level = 0
        self._late = self._calm = 0

    def observe(self, lag_seconds: float) -> int:
        """The level after one more tick of the loop."""
        if lag_seconds > self._lag_seconds_max:
            self._late, self._calm = self._late + 1, 0
        elif lag_seconds < self._lag_seconds_max / 2:
            self._late, self._calm = 0, self._calm + 1
        else:
            self._late = self._calm = 0
        if self._late >= STEP_UP_TICKS:
            self.level, self._late = min(LEVEL_MAX, self.level + 1), 0
        elif self._calm >= STEP_DOWN_TICKS:
            self.level, self._calm = max(0, self.level - 1), 0
        return self.level

    def puts_off(self, priority: Priority) -> bool:
        """Whether work of this priority waits for calmer minutes."""
        return priority > Priority.BROWSE - self.level
