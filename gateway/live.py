"""Streams of live notices (Server-Sent Events): a doorbell or a poll, then the rows are read again and compared.

Bounded in number, in life and in what they may ask of PostgreSQL. A stream that ends is resumed with the cursor of its
last event, so ending one early loses nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from flashsale.facts import Reservation
from flashsale.reservations import list_reservations
from gateway import metrics
from gateway.answers import ReservationAnswer, RewardAnswer
from gateway.errors import TooManyStreams
from gateway.notices import Notice, derive, read_cursor, write_cursor
from gateway.settings import GatewaySettings
from kit.doorbell import Doorbells
from kit.errors import Unavailable
from kit.postgres import Postgres
from rewards.grants import RewardFacts, list_rewards

Rows = tuple[list[Reservation], list[RewardFacts]]

HEARTBEAT = b": breathing\n\n"  # tells proxies, and a phone that changed networks, that the line is open
RETRY_MS = 2_000  # when a client whose stream ended comes back


class LiveRoom:
    """All streams of this process."""

    def __init__(self, postgres: Postgres, doorbells: Doorbells, settings: GatewaySettings) -> None:
        self._postgres, self._doorbells, self._settings = postgres, doorbells, settings
        self._reads = asyncio.Semaphore(settings.live_reads_at_once_max)
        self._streams: Counter[str] = Counter()
        self._bells: set[asyncio.Event] = set()
        self._closing = False

    def close(self) -> None:
        """Ends every stream now; clients come back to a process that stays."""
        self._closing = True
        for bell in self._bells:
            bell.set()

    async def open(self, user_id: str, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        """The stream of a user. Raises `TooManyStreams`, `Unavailable` before anything is written."""
        stream = self._stream(user_id, read_cursor(last_event_id))
        # Its first step takes the slot before it waits for anything, so that a crowd that opens at once is counted;
        # and a stream that has begun gives its slot back even when nobody ever reads it.
        await anext(stream)
        return stream

    async def _read(self, user_id: str) -> Rows:
        async with self._reads, self._postgres.read() as session:
            return await list_reservations(session, user_id), await list_rewards(session, user_id)

    async def _stream(self, user_id: str, told: set[str] | None) -> AsyncGenerator[bytes, None]:
        ends = time.monotonic() + self._settings.live_seconds_max
        with self._admitted(user_id):
            rows = await self._read(user_id)
            yield b""  # opened: `open` takes this one
            async with self._doorbells.listen(user_id) as bell:
                self._bells.add(bell)
                try:
                    yield f"retry: {RETRY_MS}\n\n".encode()
                    if told is None:
                        told = {notice.mark for notice in derive(*rows)}
                        yield _event("snapshot", write_cursor(told), _snapshot(*rows))
                    while True:
                        for piece in _news(derive(*rows), told):
                            yield piece
                        left = ends - time.monotonic()
                        if self._closing or left <= 0:
                            return
                        yield HEARTBEAT
                        await _ring(bell, min(left, self._settings.live_poll_seconds))
                        rows = await self._read_again(user_id, rows)
                finally:
                    self._bells.discard(bell)

    async def _read_again(self, user_id: str, before: Rows) -> Rows:
        try:
            return before if self._closing else await self._read(user_id)
        except Unavailable:
            return before  # the next poll finds what happened meanwhile

    @contextmanager
    def _admitted(self, user_id: str) -> Iterator[None]:
        full = self._streams.total() >= self._settings.live_streams_max
        if full or self._streams[user_id] >= self._settings.live_streams_per_user_max:
            raise TooManyStreams(retry_after_seconds=10)
        self._streams[user_id] += 1
        metrics.LIVE_STREAMS.inc()
        try:
            yield
        finally:
            metrics.LIVE_STREAMS.dec()
            self._streams[user_id] -= 1
            if not self._streams[user_id]:
                del self._streams[user_id]


async def _ring(bell: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass
    bell.clear()


def _news(notices: Sequence[Notice], told: set[str]) -> Iterator[bytes]:
    """The events for what was not told yet; `told` grows with them."""
    for notice in notices:
        if notice.mark not in told:
            told.add(notice.mark)
            metrics.LIVE_NOTICES.labels(notice.event).inc()
            yield _event(notice.event, write_cursor(told), notice.content)


def _snapshot(reservations: Sequence[Reservation], rewards: Sequence[RewardFacts]) -> dict[str, object]:
    return {
        "reservations": [ReservationAnswer.of(one).model_dump(mode="json") for one in reservations],
        "rewards": [RewardAnswer.of(one).model_dump(mode="json") for one in rewards],
    }


def _event(name: str, cursor: str, content: object) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), cursor.encode(), msgspec.json.encode(content))
