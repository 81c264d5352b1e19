"""`python -m ops.faults.house.skewed MODULE FILE`: one of our processes whose clocks are off by the seconds in FILE.

The file is read again and again, so that a clock can be set while the process runs. Monotonic time stays as it is, as it
does when somebody sets a machine's clock.
"""

import runpy
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from kit.clock import SystemClock

LOOK_SECONDS: Final = 0.02  # a clock that was set is noticed within


class Skew:
    """How far off the clocks are now."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds, self._looked_at = 0.0, float("-inf")

    def seconds(self) -> float:
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._seconds, self._looked_at = float(self._file.read_text("utf-8")), time.monotonic()
        return self._seconds


def main() -> None:
    """Sets the clocks before anything else is imported, and becomes the process."""
    module, file = sys.argv[1:]
    skew, own, true_now = Skew(Path(file)), SystemClock(), SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return true_now(clock) + timedelta(seconds=skew.seconds())

    set_ones = {
        (SystemClock, "now"): now,
        (time, "time"): lambda: now(own).timestamp(),
        (time, "time_ns"): lambda: int(now(own).timestamp() * 1e9),
    }
    for (owner, name), clock in set_ones.items():
        setattr(owner, name, clock)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
