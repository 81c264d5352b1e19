"""Every waiting room as this process last saw it: read from Redis once a second, whatever the crowd."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import Clock
from queueing import keys, metrics, store
from queueing.errors import QueueUnavailable, RoomUnknown
from queueing.rooms import AFTERGLOW
from queueing.rules import RoomView, parse_gaps, prequeue_start, room_state
from queueing.settings import QueueingSettings

log = structlog.get_logger()

REFRESH_SECONDS: Final = 1.0
# The keeper steps four times a second and another takes over within ten; a frontier without a step for so long is
# standing still, and people should be told rather than left to wonder.
STANDSTILL_US: Final = 5_000_000
_FIELDS: Final = ("next", "frontier", "rate", "opens_ms", "closes_ms", "paused", "tick_us", "gaps")
_PACE: Final = "pace"  # missing before the first step of a room


class RoomBoard:
    """The rooms from memory. It keeps the last view when Redis is away and marks it stale."""

    def __init__(self, queue: Redis, clock: Clock, settings: QueueingSettings) -> None:
        self._queue = queue
        self._clock = clock
        self._settings = settings
        self._views: dict[str, RoomView] = {}
        self._seen_at: float | None = None

    def view(self, sale_id: str) -> RoomView:
        """The room of a sale. Raises `RoomUnknown`, or `QueueUnavailable` as long as Redis was never read."""
        view = self._views.get(sale_id)
        if view is not None:
            return view
        if self._seen_at is None:
            raise QueueUnavailable
        raise RoomUnknown(sale_id=sale_id)

    async def refresh(self) -> None:
        """Reads all rooms, bounded by ROOMS_MAX; on any Redis error the views stay and become stale."""
        now = self._clock.now()
        try:
            rooms, redis_us = await self._read()
        except (RedisError, OSError) as error:
            log.warning("queue_view_stale", error=type(error).__name__)
            self._views = {s: self._at(replace(v, stale=True), now) for s, v in self._views.items()}
        else:
            self._seen_at = time.monotonic()
            # A room that Redis has lost is shown as it was until the keeper has loaded it again.
            views = {
                s: replace(v, stale=True) for s, v in self._views.items() if v.closes_at + AFTERGLOW > now
            }
            views |= {s: self._view(s, fields, redis_us) for s, fields in rooms.items()}
            self._views = {s: self._at(v, now) for s, v in views.items()}
        if self._seen_at is not None:
            metrics.view_age_seconds.set(time.monotonic() - self._seen_at)

    async def run(self) -> None:
        """Refreshes once a second until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def _read(self) -> tuple[dict[str, list[bytes | None]], int]:
        sale_ids = await store.room_ids(self._queue)
        seconds, micros = await self._queue.time()
        pipeline = self._queue.pipeline(transaction=False)
        for sale_id in sale_ids:
            pipeline.hmget(keys.room(sale_id), (*_FIELDS, _PACE))
        answers = await pipeline.execute()
        whole = {s: a for s, a in zip(sale_ids, answers, strict=True) if None not in a[:-1]}
        return whole, seconds * 1_000_000 + micros

    def _view(self, sale_id: str, fields: list[bytes | None], redis_us: int) -> RoomView:
        *whole, gaps, paced = fields
        issued, frontier, rate, opens_ms, closes_ms, paused, tick_us = (int(f or 0) for f in whole)
        pace = 1.0 if paced is None else float(paced)
        before = self._views.get(sale_id)
        opens_at = datetime.fromtimestamp(opens_ms / 1000, UTC)
        standstill = tick_us > 0 and redis_us - tick_us > STANDSTILL_US
        return RoomView(
            sale_id=sale_id,
            state="scheduled",
            # Redis may have come back older than what was shown here; the frontier never falls.
            frontier=max(frontier, before.frontier if before else 0),
            issued=max(issued, before.issued if before else 0),
            rate_per_second=rate,
            opens_at=opens_at,
            closes_at=datetime.fromtimestamp(closes_ms / 1000, UTC),
            paused=paused == 1 or standstill or pace == 0,
            stale=False,
            gaps=parse_gaps((gaps or b"").decode()),
            pace=pace,
            prequeue_at=prequeue_start(opens_at, self._settings.prequeue_seconds),
        )

    def _at(self, view: RoomView, now: datetime) -> RoomView:
        return replace(view, state=room_state(view, now))
