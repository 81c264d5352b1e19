"""Natural batches: while one batch is in flight the next one fills, so that a batch is as large as the load is.

Bounded in size, in waiting time and in queue length; who does not fit is told so at once. Sales share the queue and the
batches evenly, so that a crowded one cannot starve another.

An item whose stock is in buckets has each of them served by one lane alone: so the lanes of a process, of which each
locks the rows of its buckets, never wait for each other. It counts as one sale more a lane in the sharing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from flashsale import metrics
from flashsale.errors import InProgress, KeyReused
from flashsale.facts import Reserved
from flashsale.rules import OwnerKey, Wish
from flashsale.settings import FlashsaleSettings
from kit.errors import DomainError, Unavailable
from kit.sinks import Listener

log = structlog.get_logger()

_answers: Final = metrics.RESERVATION_ANSWERS.counts

ANY_LANE: Final = -1
QueueName = tuple[str, int]  # sale, and the lane that serves it

STUMBLE_SECONDS = 0.1  # after a failure between batches, so that a lasting one does not spin


class Waiting(msgspec.Struct, gc=False):
    """One request that waits for its answer; it is told once."""

    wish: Wish
    since: float
    owner: OwnerKey
    sink: Listener[Reserved] | None
    in_flight: dict[OwnerKey, "Waiting"]

    @property
    def left(self) -> bool:
        """Whether nobody listens any more."""
        return self.sink is None or self.sink.done()

    def tell(self, answer: Reserved) -> None:
        sink = self._end()
        if sink is not None:
            _answers["replayed" if answer.replayed else "reserved"] += 1
            sink.tell(answer)

    def refuse(self, error: DomainError) -> None:
        sink = self._end()
        if sink is not None:
            _answers[error.code] += 1
            sink.refuse(error)

    def _end(self) -> Listener[Reserved] | None:
        """Whom to tell, the first time. From the answer on, a repeat is no double click any more."""
        sink, self.sink = self.sink, None
        if sink is not None:
            del self.in_flight[self.owner]
        return sink


class Lanes:
    """The queue of one process and the lanes that empty it. `serve` answers a batch, `idle` runs before a lane waits."""

    def __init__(
        self,
        settings: FlashsaleSettings,
        serve: Callable[[Sequence[Waiting]], Awaitable[None]],
        idle: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings, self._serve, self._idle = settings, serve, idle
        self._queue_max = settings.queue_max
        self._queues: dict[QueueName, deque[Waiting]] = {}
        self._count = 0
        self._in_flight: dict[OwnerKey, Waiting] = {}
        self._arrived = [asyncio.Event() for _ in range(settings.lanes)]
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(n), name=f"lane-{n}") for n in range(self._settings.lanes)
        ]

    async def stop(self) -> None:
        """Serves what is queued, answers what cannot be served any more, ends the lanes."""
        self._stopping = True
        self._wake(ANY_LANE)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.stop_seconds_max)
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for waiting in list(self._in_flight.values()):
            waiting.refuse(Unavailable("reservations"))
        self._queues.clear()
        self._count = 0

    def enter(self, wish: Wish, sink: Listener[Reserved]) -> DomainError | None:
        """Queues a wish, or says why not, and the sink will not be told.

        `InProgress` and `KeyReused` while its key is being answered; `Unavailable` when the queue is full or the process
        is leaving.
        """
        owner = wish.owner
        first = self._in_flight.get(owner)
        if first is not None:
            same = first.wish.fingerprint == wish.fingerprint
            return InProgress(retry_after_seconds=1.0) if same else KeyReused()
        if self._stopping or not self._tasks:
            return Unavailable("reservations")
        lane = ANY_LANE if wish.buckets == 1 else wish.bucket[2] % len(self._arrived)
        name = wish.sale_id, lane
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = deque()
            self._wake(lane)  # once: no lane goes to rest while a queue that it serves is there
        if self._count >= self._queue_max and len(queue) >= max(1, self._queue_max // len(self._queues)):
            return Unavailable("reservations")
        waiting = Waiting(wish, time.monotonic(), owner, sink, self._in_flight)
        self._in_flight[owner] = waiting
        queue.append(waiting)
        self._count += 1
        return None

    def _wake(self, lane: int) -> None:
        for arrived in self._arrived if lane == ANY_LANE else self._arrived[lane : lane + 1]:
            arrived.set()

    async def _run(self, lane: int) -> None:
        while True:
            batch: list[Waiting] = []
            try:
                batch = await self._next_batch(lane)
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
                    if waiting.sink is not None:
                        waiting.refuse(Unavailable("reservations"))

    async def _next_batch(self, lane: int) -> list[Waiting]:
        """The next batch, never empty; empty when the lane shall end."""
        arrived = self._arrived[lane]
        while True:
            if batch := self._take(lane):
                return batch
            await self._idle()
            if self._names(lane):
                continue
            if self._stopping:
                return []
            arrived.clear()
            await arrived.wait()

    def _names(self, lane: int) -> list[QueueName]:
        """The queues that the lane serves, whose turn is next first."""
        return [name for name in self._queues if name[1] in (ANY_LANE, lane)]

    def _take(self, lane: int) -> list[Waiting]:
        batch: list[Waiting] = []
        oldest = time.monotonic() - self._settings.queue_seconds_max
        room = self._settings.batch_max
        names = self._names(lane)
        while names and len(batch) < room:
            share = max(1, (room - len(batch)) // len(names))
            name = names.pop(0)
            queue = self._queues.pop(name)
            for _ in range(min(share, len(queue))):
                waiting = queue.popleft()
                self._count -= 1
                # Who left or waited too long has not been tried, so nothing needs undoing.
                if waiting.since < oldest or waiting.left:
                    waiting.refuse(Unavailable("reservations"))
                else:
                    batch.append(waiting)
            if queue:
                self._queues[name] = queue  # at the end, so that no sale is always the last
                names.append(name)
        metrics.QUEUE_REQUESTS.set(self._count)
        if batch:
            metrics.QUEUE_SECONDS.observe(time.monotonic() - batch[0].since)
        return batch
