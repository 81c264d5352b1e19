"""Who serves limits, and whether Redis does: the lease that says which part of a quota this process may give alone.

The parts of all who serve at one time must never add up to more than the whole. Therefore a lease counts only if

- it was renewed within `lease_seconds` before Redis was missed, and
- its process had been known for `lease_seconds` at the last renewal.

A process that came later than another's last renewal had then not been known so long when Redis went; its lease does
not count, or the other's had lapsed. Who has no lease that counts serves nothing.
"""

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.lua import LuaScript
from kit.redis import is_away
from queueing.limits import keys, metrics
from queueing.limits.settings import LimitSettings

log = structlog.get_logger()
LEASE = LuaScript.from_file("queueing.limits", "lease")


class Lease:
    """One process's lease, kept by a task that is also the first to notice that Redis is away or back."""

    def __init__(self, limits: Redis, settings: LimitSettings) -> None:
        self._limits, self._settings = limits, settings
        self._id = uuid4().hex
        self._known_since: float | None = None  # when Redis first knew this process, without a gap since
        self._asked = 0.0  # when the last renewal that was answered was asked for
        self._processes = 0
        self.away = False  # whether Redis was missed at the last try
        self._counts = False
        self._leaving = False
        self._keeping: asyncio.Task[None] | None = None

    @property
    def processes(self) -> int:
        """Among how many the quotas are divided while Redis is away; 0 when this process may give nothing."""
        return self._processes if self._counts else 0

    async def start(self) -> None:
        """Begins to keep the lease; returns after the first try, successful or not."""
        self._leaving = False
        await self.renew()
        self._keeping = asyncio.create_task(self._keep(), name="limits-lease")

    async def stop(self) -> None:
        """Leaves, so that the parts of the others grow at once."""
        # A cancellation that comes while a connection fails is lost on the way out (asyncio's connecting drops it).
        self._leaving = True
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        with suppress(RedisError, OSError):
            async with asyncio.timeout(self._settings.answer_seconds_max):
                await self._limits.zrem(keys.PROCESSES, self._id)

    async def renew(self) -> None:
        """One try. Tells this process how many serve, or that Redis is away."""
        asked = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.answer_seconds_max):
                outcome, processes = await LEASE.run(
                    self._limits, [keys.PROCESSES], [self._id, self._settings.process_seconds * 1000]
                )
        except (RedisError, OSError) as error:
            if not is_away(error):
                log.warning("limits_lease_refused", error=str(error))
            self.miss(asked)
        else:
            self._renewed(asked, outcome.decode(), int(processes))

    def miss(self, asked: float) -> None:
        """Redis did not answer what was asked at `asked` (monotonic seconds)."""
        if self.away:
            return
        self.away = True
        known = self._known_since
        self._counts = (
            known is not None
            and asked - self._asked <= self._settings.lease_seconds
            and self._asked - known >= self._settings.lease_seconds
        )
        metrics.away.set(1)
        log.warning("limits_redis_away", processes=self.processes)

    def _renewed(self, asked: float, outcome: str, processes: int) -> None:
        if outcome == "joined" or self._known_since is None:
            self._known_since = asked
        self._asked, self._processes = asked, processes
        metrics.processes.set(processes)
        if self.away:
            self.away = self._counts = False
            metrics.away.set(0)
            log.info("limits_redis_back", processes=processes)

    async def _keep(self) -> None:
        while not self._leaving:
            pause = self._settings.probe_seconds if self.away else self._settings.lease_renew_seconds
            await asyncio.sleep(pause)
            await self.renew()
