"""Natural batches, fair between scopes: whatever arrived during a scope's last round trip goes in its next.

Each scope (a sale, mostly) has a lane of its own with one batch under way; lanes that have somebody waiting take turns.
So a sale with thousands waiting delays another by one batch at most, and a slow or failing slot only its own sale.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from queueing.limits import metrics
from queueing.limits.members import Member
from queueing.limits.settings import LimitSettings

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Lane:
    scope: str
    waiting: deque[Member] = field(default_factory=deque)
    listed: bool = False  # among the ready, or under way


class Dispatch:
    """Collects members by scope and hands them in batches to `serve`, which answers each and raises nothing.

    `drop` answers a member that waited too long.
    """

    def __init__(
        self,
        settings: LimitSettings,
        serve: Callable[[Sequence[Member]], Awaitable[None]],
        drop: Callable[[Member], None],
    ) -> None:
        self._settings, self._serve, self._drop = settings, serve, drop
        self._waiting_max = settings.waiting_max
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._flights: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._launching = False

    def enter(self, member: Member) -> bool:
        """Whether there was room. A scope that fills its part of the queue keeps no other from entering."""
        lane = self._lanes.get(member.scope)
        if lane is None:
            lane = self._lanes[member.scope] = _Lane(member.scope)
        most = self._waiting_max
        if self._waiting >= most and len(lane.waiting) >= max(1, most // len(self._lanes)):
            return False
        lane.waiting.append(member)
        self._waiting += 1
        if not lane.listed:
            lane.listed = True
            self._ready.append(lane)
            self._launch_soon()
        return True

    async def drain(self) -> None:
        """Returns when nobody waits and nothing is under way."""
        while self._lanes:
            await asyncio.sleep(0)
            if self._flights:
                await asyncio.wait(self._flights)

    def _launch_soon(self) -> None:
        # Not at once: all that arrives in this turn of the loop shall share the batch.
        if not self._launching and len(self._flights) < self._settings.flights_max:
            self._launching = True
            asyncio.get_running_loop().call_soon(self._launch)

    def _launch(self) -> None:
        self._launching = False
        while self._ready and len(self._flights) < self._settings.flights_max:
            lane = self._ready.popleft()
            batch = self._take(lane)
            if not batch:
                self._land(lane)
                continue
            flight = asyncio.create_task(self._fly(lane, batch))
            self._flights.add(flight)
        metrics.waiting.set(self._waiting)
        metrics.scopes.set(len(self._lanes))

    def _take(self, lane: _Lane) -> list[Member]:
        waiting, now = lane.waiting, time.monotonic()
        oldest = now - self._settings.waiting_seconds_max
        while waiting and waiting[0].since < oldest:  # who came first has waited longest
            self._waiting -= 1
            self._drop(waiting.popleft())
        batch = [waiting.popleft() for _ in range(min(len(waiting), self._settings.batch_max))]
        self._waiting -= len(batch)
        if batch:
            metrics.age_seconds.observe(now - batch[0].since)
        return batch

    async def _fly(self, lane: _Lane, batch: list[Member]) -> None:
        try:
            await self._serve(batch)
        except Exception:  # the next batch must leave, whatever this one met
            log.exception("limits_batch_failed", requests=len(batch))
        finally:
            self._flights.discard(asyncio.current_task())
            self._land(lane)
            self._launch_soon()

    def _land(self, lane: _Lane) -> None:
        if lane.waiting:
            self._ready.append(lane)
        else:
            lane.listed = False
            self._lanes.pop(lane.scope, None)
