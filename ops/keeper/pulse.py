"""PostgreSQL's pulse: how long it takes to make a word durable, and so how fast people may be let in.

Whoever is let in wants to reserve, and no reservation is acknowledged before PostgreSQL has committed it. When commits
become slow, or do not end, letting people in would only make them wait at the till with admissions that run out.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from kit.errors import Unavailable
from kit.tasks import end_tasks

log = structlog.get_logger()

FULL_SECONDS: Final = 0.5  # commits take milliseconds; up to here it is a bad moment, which batches bear
STILL_SECONDS: Final = (
    2.0  # as long as a reservation may wait for its batch: whoever came now would be refused
)


def pace_of(wait_seconds: float) -> float:
    """The part of the planned rate at which people may be let in: all, falling evenly to nothing."""
    return min(1.0, max(0.0, (STILL_SECONDS - wait_seconds) / (STILL_SECONDS - FULL_SECONDS)))


class Pulse:
    """Asks PostgreSQL one thing at a time; `probe` returns once the answer is durable, and raises `Unavailable`."""

    def __init__(
        self, probe: Callable[[], Awaitable[None]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._probe, self._monotonic = probe, monotonic
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._last_wait_seconds = 0.0

    def beat(self) -> float:
        """The longest wait known of, in seconds: of the question that is open, or of the one before it, infinite where
        that failed. Asks anew when none is open; never waits itself."""
        now = self._monotonic()
        if self._asking is None or self._asking.done():
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="pulse")
        return max(self._last_wait_seconds, now - self._asked_at)

    async def stop(self) -> None:
        """Gives the open question up."""
        if self._asking is not None:
            await end_tasks([self._asking])

    async def _ask(self) -> None:
        try:
            await self._probe()
        except Unavailable:
            self._last_wait_seconds = math.inf
            log.warning("postgres_gives_no_pulse")
        else:
            self._last_wait_seconds = self._monotonic() - self._asked_at
