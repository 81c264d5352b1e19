"""Time is the server's, and injectable: rooms take a `Clock`, never `datetime.now()`."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

WAY_SECONDS_MAX: Final = (
    0.2  # the store's answer to a question about the time; then half of it is an error nobody sees
)


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


class StoreClock:
    """The time of the store that decides, as last read from it, carried on by this machine's monotonic clock.

    So a process whose own clock is off, or is set while it works, opens no sale early and keeps none shut. Until the
    first reading it tells this machine's time.
    """

    __slots__ = ("_beyond", "_own")

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._beyond: float | None = None  # the store's epoch seconds minus monotonic seconds

    def learn(self, store_seconds: float, asked_at: float, answered_at: float) -> None:
        """Takes a reading of the store, asked for and answered at these monotonic instants.

        It is wrong by half of the way there and back at most; one that took too long teaches nothing, but for the first.
        """
        if self._beyond is None or answered_at - asked_at <= WAY_SECONDS_MAX:
            self._beyond = store_seconds - (asked_at + answered_at) / 2

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        return self._own.seconds() if self._beyond is None else self._beyond + time.monotonic()


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
