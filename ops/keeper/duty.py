"""One duty and the loop that leads it: wait for leadership, do bounded rounds, stop the moment leadership is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

import structlog
from redis.exceptions import RedisError

from kit.errors import DomainError
from ops.keeper import metrics
from ops.keeper.fence import Fence, LeadershipLost

log = structlog.get_logger()

STAND_BY_SECONDS: Final = 1.0  # how often one who does not lead asks whether the duty is free
# A leader that only fails (its own way to Redis is cut, say) lets another try after this, and waits as long itself.
FAILING_SECONDS_MAX: Final = 15.0
REST_SECONDS_MAX: Final = (
    60.0  # even a duty of many minutes is looked for again within five: the alarm's patience
)


@dataclass(frozen=True, slots=True)
class Duty:
    """What is done, how often, and how much at most: `batch_max` things and `round_seconds_max` a round.

    `round` answers how much it did; a full batch means that more is waiting and the next round follows at once.
    `share_max` is the share of its time that it may be at work: for what grows with all that was ever sold.
    """

    name: str
    every_seconds: float
    round_seconds_max: float
    batch_max: int
    round: Callable[[Fence], Awaitable[int]]
    share_max: float = 1.0

    def pause_seconds(self, took_seconds: float) -> float:
        """Between a round that took so long, and was not full, and the next."""
        rest = min(REST_SECONDS_MAX, took_seconds * (1 / self.share_max - 1))
        return max(rest, self.every_seconds - took_seconds)


# Servers come and go; no traceback for that.
EXPECTED: Final = (DomainError, RedisError, OSError, TimeoutError)


class Candidacy(Protocol):
    """What a duty needs of `Leadership`."""

    async def take(self) -> Fence | None: ...
    async def keep(self) -> NoReturn: ...
    def resign(self) -> None: ...


class DutyLoop:
    """One keeper's part in one duty. Nothing that happens in it reaches another duty."""

    def __init__(self, duty: Duty, leadership: Candidacy) -> None:
        self.duty = duty
        self.leading = False
        self._stopping = False
        self._lost = False
        self._leadership = leadership
        self._log = log.bind(duty=duty.name)
        metrics.announce(duty.name)

    def stop(self) -> None:
        """Gives the leadership back now and leads no more.

        A cancellation alone is not enough: a library may lose it (redis-py does while a connection fails), and a task
        group hands it to its tasks only once.
        """
        self._stopping = True
        self._leadership.resign()

    async def run(self) -> None:
        """Stands by or leads until stopped or cancelled, and gives the leadership back then."""
        try:
            while not self._stopping:
                wait_seconds = await self._turn()
                await asyncio.sleep(wait_seconds)
        finally:
            self._leadership.resign()

    async def _turn(self) -> float:
        """One try to lead, and the leading if it succeeds; the seconds to wait before the next try."""
        try:
            fence = await self._leadership.take()
        except LeadershipLost as error:
            self._log.warning("duty_leadership_unavailable", reason=str(error))
            return STAND_BY_SECONDS
        if fence is None:
            return STAND_BY_SECONDS
        self._show_leading(fence)
        try:
            return await self._lead(fence)
        finally:
            self.leading = False
            metrics.duty_leader.labels(self.duty.name).set(0)
            self._leadership.resign()

    def _show_leading(self, fence: Fence) -> None:
        self.leading = True
        metrics.duty_leader.labels(self.duty.name).set(1)
        metrics.duty_fence.labels(self.duty.name).set(fence.number)
        metrics.duty_takeovers.labels(self.duty.name).inc()
        self._log.info("duty_taken", fence=fence.number)

    async def _lead(self, fence: Fence) -> float:
        """Rounds beside heartbeats: a lost session cancels the round in flight."""
        wait_seconds = 0.0
        self._lost = False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep())
                group.create_task(self._rounds(fence))
        except* LeadershipLost as lost:
            self._log.warning("duty_leadership_lost", reason=str(lost.exceptions[0]))
        except* _OnlyFailing:
            self._log.warning("duty_resigned", failing_seconds=FAILING_SECONDS_MAX)
            wait_seconds = FAILING_SECONDS_MAX
        return wait_seconds

    async def _keep(self) -> NoReturn:
        """Raises `LeadershipLost`, and says so to the rounds too: one that loses its cancellation would go on leading
        for ever, under a fence of the past and beside a lock that it no longer asks for."""
        try:
            await self._leadership.keep()
        finally:
            self._lost = True

    async def _rounds(self, fence: Fence) -> NoReturn:
        good_at = time.monotonic()
        while True:
            began = time.monotonic()
            done = await self._round(fence)
            if self._stopping or self._lost:
                raise LeadershipLost(self.duty.name)
            now = time.monotonic()
            if done is not None:
                good_at = now
            elif now - good_at > FAILING_SECONDS_MAX:
                raise _OnlyFailing
            full = done is not None and done >= self.duty.batch_max
            await asyncio.sleep(0 if full else self.duty.pause_seconds(now - began))

    async def _round(self, fence: Fence) -> int | None:
        """One round within its bound; how much it did, None when it failed. Raises `LeadershipLost`."""
        name = self.duty.name
        try:
            with metrics.duty_round_seconds.labels(name).time():
                async with asyncio.timeout(self.duty.round_seconds_max):
                    done = await self.duty.round(fence)
        except LeadershipLost:
            raise
        except Exception as error:  # noqa: BLE001 - a duty outlives whatever one round meets; the counter tells
            metrics.duty_failures.labels(name).inc()
            self._log.warning(
                "duty_round_failed", error=type(error).__name__, exc_info=not isinstance(error, EXPECTED)
            )
            return None
        metrics.duty_last_success.labels(name).set_to_current_time()
        metrics.duty_done.labels(name).inc(done)
        return done


class _OnlyFailing(Exception):
    """The leader has not had one good round for too long."""
