"""Natural batches: while one batch is in flight the next one fills, so that a batch is as large as the load is.

Bounded in size, in waiting time and in queue length; who does not fit is told so at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from flashsale import metrics
from flashsale.facts import Reserved
from flashsale.rules import OwnerKey, Wish
from flashsale.settings import FlashsaleSettings
from kit.errors import Unavailable

log = structlog.get_logger()

STUMBLE_SECONDS = 0.1  # after a failure between batches, so that a lasting one does not spin


@dataclass(slots=True)
class Waiting:
    """One request that waits for its answer. The answer is given once, and only if somebody still listens."""

    wish: Wish
    answer: "asyncio.Future[Reserved]"
    answered: Callable[["Waiting"], None]
    since: float = field(default_factory=time.monotonic)

    def tell(self, answer: Reserved) -> None:
        self.answered(self)
        if not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, error: Exception) -> None:
        self.answered(self)
        if not self.answer.done():
            self.answer.set_exception(error)


class Lanes:
    """The queue of one process and the lanes that empty it. `serve` answers a batch, `idle` runs before a lane waits."""

    def __init__(
        self,
        settings: FlashsaleSettings,
        serve: Callable[[Sequence[Waiting]], Awaitable[None]],
        idle: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings, self._serve, self._idle = settings, serve, idle
        self._queue: deque[Waiting] = deque()
        self._in_flight: dict[OwnerKey, Waiting] = {}
        self._arrived = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(), name=f"lane-{n}") for n in range(self._settings.lanes)
        ]

    async def stop(self) -> None:
        """Serves what is queued, answers what cannot be served any more, ends the lanes."""
        self._stopping = True
        self._arrived.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.stop_seconds_max)
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for waiting in list(self._in_flight.values()):
            waiting.refuse(Unavailable("reservations"))
        self._queue.clear()

    def find(self, owner: OwnerKey) -> Waiting | None:
        """The request that is being answered under this key, if there is one."""
        return self._in_flight.get(owner)

    def enter(self, wish: Wish) -> "asyncio.Future[Reserved]":
        """Queues a wish; its answer. Raises `Unavailable` when the queue is full or the process is leaving."""
        if self._stopping or not self._tasks or len(self._queue) >= self._settings.queue_max:
            raise Unavailable("reservations")
        waiting = Waiting(wish, asyncio.get_running_loop().create_future(), self._forget)
        self._in_flight[_owner(wish)] = waiting
        self._queue.append(waiting)
        self._arrived.set()
        metrics.QUEUE_REQUESTS.set(len(self._queue))
        return waiting.answer

    async def _run(self) -> None:
        while True:
            batch: list[Waiting] = []
            try:
                batch = await self._next_batch()
                if not batch:
                    return
                await self._serve(batch)
            except Exception:  # a lane must outlive whatever one batch meets, and whatever lies between two
                log.exception("batch_failed", requests=len(batch))
                if not batch:
                    if self._stopping:
                        return
                    await asyncio.sleep(STUMBLE_SECONDS)
            finally:
                for waiting in batch:
                    waiting.refuse(Unavailable("reservations"))

    async def _next_batch(self) -> list[Waiting]:
        """The next batch, never empty; empty when the lane shall end."""
        while True:
            if batch := self._take():
                return batch
            await self._idle()
            if self._queue:
                continue
            if self._stopping:
                return []
            self._arrived.clear()
            await self._arrived.wait()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        oldest = time.monotonic() - self._settings.queue_seconds_max
        while self._queue and len(batch) < self._settings.batch_max:
            waiting = self._queue.popleft()
            # Who left or waited too long has not been tried, so nothing needs undoing.
            if waiting.answer.done() or waiting.since < oldest:
                waiting.refuse(Unavailable("reservations"))
            else:
                batch.append(waiting)
        metrics.QUEUE_REQUESTS.set(len(self._queue))
        return batch

    def _forget(self, waiting: Waiting) -> None:
        """From its answer on, a repeat is no double click any more."""
        if self._in_flight.get(_owner(waiting.wish)) is waiting:
            del self._in_flight[_owner(waiting.wish)]


def _owner(wish: Wish) -> OwnerKey:
    return wish.sale_id, wish.user_id, wish.key
