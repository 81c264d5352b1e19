"""Joins in batches: all that arrive while one round trip is under way share the next, in the order of coming.

A crowd of thousands then needs one connection instead of one each, and a join costs Redis a third of the system calls.
"""

import asyncio
from typing import Final

from redis.asyncio import Redis

from kit.lua import LuaCall, run_all
from queueing import store
from queueing.errors import QueueUnavailable
from queueing.store import JoinAnswer

BATCH_MAX: Final = 256  # about three milliseconds of Redis, so that other commands are not kept waiting
WAITING_MAX: Final = (
    20_000  # about a second's work; who comes beyond that is told to come back, which is quicker
)


class JoinBatches:
    """One process's joins on their way to Redis."""

    def __init__(self, queue: Redis) -> None:
        self._queue = queue
        self._waiting: list[tuple[LuaCall, asyncio.Future[JoinAnswer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def join(self, sale_id: str, user_id: str, *, seen: int) -> JoinAnswer:
        """One place for one user. Raises `QueueUnavailable` when too many wait here, and redis errors.

        After a redis error the outcome is unknown, and asking again is harmless.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise QueueUnavailable
        answer: asyncio.Future[JoinAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append((store.join_call(sale_id, user_id, seen), answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await answer

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            try:
                answers = await run_all(self._queue, [call for call, _ in batch])
            except asyncio.CancelledError:
                for _, answer in batch + self._waiting:
                    answer.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
                answers = [error] * len(batch)
            for (_, answer), given in zip(batch, answers, strict=True):
                _tell(answer, given)


def _tell(answer: asyncio.Future[JoinAnswer], given: object) -> None:
    if answer.done():  # the caller has gone
        return
    if isinstance(given, Exception):
        answer.set_exception(given)
    else:
        answer.set_result(store.join_answer(given))
