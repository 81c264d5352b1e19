"""Time is the server's, and injectable: rooms take a `Clock`, never `datetime.now()`."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """The instant now, UTC and aware."""

    def seconds(self) -> float:
        """The same in epoch seconds, at a tenth of the price: for what is asked at every request."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return time.time()


@dataclass
class SteppedClock:
    """A clock that stands still until it is told to move; for tests and replays."""

    instant: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.instant

    def seconds(self) -> float:
        return self.instant.timestamp()

    def step(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


def rfc3339(instant: datetime) -> str:
    """`2026-11-11T00:00:00.000Z`: how answers and documents carry times (RFC 3339, UTC, milliseconds)."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
