"""`python -m ops.faults.house.skewed MODULE FILE`: one of our processes whose clocks are off by the seconds in FILE.

The file is read again and again, so that a clock can be set while the process runs. Monotonic time stays as it is, as it
does when somebody sets a machine's clock.
"""

import runpy
import sys
import time
from pathlib import Path
from typing import Final

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
    skew, true_seconds, true_ns = Skew(Path(file)), time.time, time.time_ns
    time.time = lambda: true_seconds() + skew.seconds()
    time.time_ns = lambda: true_ns() + int(skew.seconds() * 1e9)
    _set_clock_of_ours(skew)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _set_clock_of_ours(skew: Skew) -> None:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - nobody may keep the true clock by importing it earlier

    from kit.clock import SystemClock  # noqa: PLC0415

    def now(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=skew.seconds())

    SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
