"""A droppable doorbell for one person's live notices: Redis pub/sub carrying user ids, nothing else.

Who listens reads the rows again; a bell that is lost costs a few seconds until the listener's own poll.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.steps import reached

CHANNEL = "floodgate:doorbell"
RECONNECT_SECONDS = 1.0


async def ring_user(queue: Redis, user_id: str) -> None:
    """Rings for `user_id`; never raises for a Redis that is away."""
    with suppress(RedisError, OSError):
        await queue.publish(CHANNEL, user_id)
    reached("bell.rung")


class Doorbells:
    """One subscription a process, fanned out to the connections that wait here."""

    def __init__(self, queue: Redis) -> None:
        self._queue = queue
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    @asynccontextmanager
    async def listen(self, user_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever someone rings for `user_id`; the listener clears it."""
        bell = asyncio.Event()
        self._waiting[user_id].add(bell)
        try:
            yield bell
        finally:
            self._waiting[user_id].discard(bell)
            if not self._waiting[user_id]:
                del self._waiting[user_id]

    async def run(self) -> None:
        """Listens until cancelled; survives a Redis that comes and goes."""
        while True:
            with suppress(RedisError, OSError):
                await self._subscribe()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _subscribe(self) -> None:
        async with self._queue.pubsub(ignore_subscribe_messages=True) as subscription:
            await self._queue.initialize()  # a cluster's nodes must be known before one can be listened to
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(timeout=RECONNECT_SECONDS)
                if message is not None:
                    for bell in self._waiting.get(message["data"].decode(), ()):
                        bell.set()
