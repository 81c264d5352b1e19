"""The doorbells of the worker, rung from a thread: Dramatiq speaks to its broker synchronously."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from dramatiq import Broker

from kit.broker import ring
from kit.errors import Unavailable


class Bells:
    """Rings for one actor. One thread, so that a broker that hangs holds up one batch and not a heap of them."""

    def __init__(self, broker: Broker, *, actor_name: str, queue_name: str, id_name: str) -> None:
        self._broker = broker
        self._actor_name, self._queue_name, self._id_name = actor_name, queue_name, id_name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"ring-{actor_name}")

    async def ring_all(self, ids: Iterable[UUID]) -> None:
        """Rings once for each id, in order. Raises `Unavailable("broker")`; some may have been rung by then."""
        wanted = [str(ring_id) for ring_id in ids]
        if wanted:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._ring_each, wanted)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ring_each(self, ids: list[str]) -> None:
        try:
            for ring_id in ids:
                ring(self._broker, self._actor_name, self._queue_name, **{self._id_name: ring_id})
        except Exception as error:
            raise Unavailable("broker") from error
