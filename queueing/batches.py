"""Joins in batches: all that arrive while one round trip is under way share the next, in the order of coming.

A crowd of thousands then needs one connection and one call a sale instead of one each, and nobody needs a future: who
asks hands in what shall be called with the answer. Sales share a batch evenly, so a crowded one cannot starve another.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis

from kit.lua import run_all
from queueing import metrics, store
from queueing.errors import QueueUnavailable
from queueing.store import JoinAnswer

log = structlog.get_logger()

BATCH_MAX: Final = 512  # about three milliseconds of Redis, so that other commands are not kept waiting
WAITING_MAX: Final = (
    20_000  # about a second's work; who comes beyond that is told to come back, which is quicker
)
WAITING_SECONDS_MAX: Final = 2.0  # who waited longer has given up, and need not be asked for

Told = Callable[[JoinAnswer | Exception], None]
_Asking = tuple[str, Told, float]  # the user, whom to tell, since when


class JoinBatches:
    """One process's joins on their way to Redis."""

    def __init__(self, queue: Redis) -> None:
        self._queue = queue
        self._waiting: dict[str, deque[_Asking]] = {}
        self._count = 0
        self._seen: dict[str, int] = {}  # a sale's highest position given to this process, plus one
        self._sending: asyncio.Task[None] | None = None

    async def join(self, sale_id: str, user_id: str, *, seen: int = 0) -> JoinAnswer:
        """One place for one user. Raises `QueueUnavailable` when too many wait here, and redis errors.

        After a redis error the outcome is unknown, and asking again is harmless.
        """
        answer: asyncio.Future[JoinAnswer] = asyncio.get_running_loop().create_future()

        def told(given: JoinAnswer | Exception) -> None:
            if answer.done():  # the caller has gone
                return
            if isinstance(given, Exception):
                answer.set_exception(given)
            else:
                answer.set_result(given)

        self._seen[sale_id] = max(seen, self._seen.get(sale_id, 0))
        self.submit(sale_id, user_id, told)
        return await answer

    def submit(self, sale_id: str, user_id: str, told: Told) -> None:
        """Like `join`, for callers that do not wait; `told` is called once, with an answer or an error."""
        waiting = self._waiting.get(sale_id)
        if waiting is None:
            waiting = self._waiting[sale_id] = deque()
        if self._count >= WAITING_MAX and len(waiting) >= max(1, WAITING_MAX // len(self._waiting)):
            told(QueueUnavailable())
            return
        waiting.append((user_id, told, time.monotonic()))
        self._count += 1
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while batch := self._take():
            calls = [
                store.join_call(sale_id, [user_id for user_id, _, _ in some], self._seen.get(sale_id, 0))
                for sale_id, some in batch
            ]
            began = time.monotonic()
            try:
                answers = await run_all(self._queue, calls)
            except asyncio.CancelledError:
                self._tell_all(batch, [QueueUnavailable()] * len(batch))
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                answers = [error] * len(batch)
            metrics.batch_seconds.observe(time.monotonic() - began)
            self._tell_all(batch, answers)

    def _take(self) -> list[tuple[str, list[_Asking]]]:
        """The next batch: each sale that has somebody waiting gets an even share of it."""
        batch: list[tuple[str, list[_Asking]]] = []
        if not self._waiting:
            return batch
        share = max(1, BATCH_MAX // len(self._waiting))
        oldest = time.monotonic() - WAITING_SECONDS_MAX
        late: list[_Asking] = []
        for sale_id in list(self._waiting)[:BATCH_MAX]:
            waiting = self._waiting.pop(sale_id)
            some = [waiting.popleft() for _ in range(min(share, len(waiting)))]
            self._count -= len(some)
            if waiting:
                self._waiting[sale_id] = waiting  # at the end, so that no sale is always the last
            late += [asking for asking in some if asking[2] < oldest]
            batch.append((sale_id, [asking for asking in some if asking[2] >= oldest]))
        for asking in late:
            _tell(asking, QueueUnavailable())
        metrics.batch_requests.observe(sum(len(some) for _, some in batch))
        metrics.join_waiting.set(self._count)
        return batch

    def _tell_all(self, batch: list[tuple[str, list[_Asking]]], answers: list[object]) -> None:
        for (sale_id, some), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                for asking in some:
                    _tell(asking, answer)
                continue
            given = store.join_answers(answer)
            highest = max((one.position for one in given if one.outcome in {"first", "again"}), default=-1)
            self._seen[sale_id] = max(self._seen.get(sale_id, 0), highest + 1)
            for asking, one in zip(some, given, strict=True):
                _tell(asking, one)


def _tell(asking: _Asking, given: JoinAnswer | Exception) -> None:
    try:
        asking[1](given)
    except Exception:  # one that fails to hear must not cost the others their answer
        log.exception("join_untold")
