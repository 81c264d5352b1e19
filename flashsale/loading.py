"""A bucket of the stock brought into Redis as the ledger has it.

A load always runs under a new epoch: whatever was on its way to Redis for an older one is ignored there, because the
load has counted it. So a load is right at any instant.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import ColumnElement, case, func, select, update

from flashsale import keys, metrics
from flashsale.ledger import lock_buckets
from flashsale.models import Bucket, Reservation
from flashsale.rules import BucketName
from flashsale.snapshots import StockSnapshot, bucket_keys
from kit.lua import LuaScript
from kit.postgres import Postgres, WriteSession

log = structlog.get_logger()

_CLOSE = LuaScript.from_file("flashsale", "stock_close")
_FILL = LuaScript.from_file("flashsale", "stock_fill")
_OPEN = LuaScript.from_file("flashsale", "stock_open")

# How long one answer of Redis may keep a bucket's lock, and with it all who buy there; several times a healthy answer. After
# it the pass ends as without Redis, and the sale goes on through PostgreSQL.
LOCKED_SECONDS_MAX: Final = 0.5


@dataclass(frozen=True, slots=True)
class LedgerBucket:
    """A bucket as the ledger has it."""

    sale_id: str
    sku: str
    bucket: int
    total: int
    taken: int
    epoch: int
    until: int  # unix seconds after which Redis may forget it

    @property
    def name(self) -> BucketName:
        return self.sale_id, self.sku, self.bucket


class StockLoader:
    """Loads one bucket after the other, `chunk` buyers a call. It keeps nothing between loads."""

    def __init__(self, postgres: Postgres, stock: Redis, *, chunk: int) -> None:
        self._postgres, self._stock, self._chunk = postgres, stock, chunk

    async def load(self, bucket: LedgerBucket, snapshot: StockSnapshot, reason: str) -> int:
        """Loads the bucket under a new epoch. Under its row lock nothing is committed between reading and writing, and
        claims begin only once the epoch is durable."""
        load_id = uuid4().hex
        async with self._postgres.unit_of_work() as session:
            await lock_buckets(session, [bucket.name])
            # Ahead of Redis too: a ledger restored from a backup may be behind it.
            higher = case((Bucket.epoch > snapshot.epoch, Bucket.epoch), else_=snapshot.epoch)
            bumped = await session.execute(
                update(Bucket)
                .where(*_is(Bucket, bucket))
                .values(epoch=higher + 1)
                .returning(Bucket.epoch, Bucket.total - Bucket.taken)
            )
            epoch, free = bumped.one()
            async with answered_soon():
                closed = await _CLOSE.run(
                    self._stock, bucket_keys(bucket.name), [epoch, load_id, free, bucket.until]
                )
            if closed != b"closed":
                return 0  # another repair is ahead of this one
            await self._fill(session, bucket, load_id)
        opened = await _OPEN.run(self._stock, [keys.stock(*bucket.name)], [load_id])
        metrics.STOCK_LOADS.labels(reason=reason).inc()
        log.info(
            "stock_loaded",
            sale_id=bucket.sale_id,
            sku=bucket.sku,
            bucket=bucket.bucket,
            epoch=epoch,
            reason=reason,
        )
        return int(opened == b"opened")

    async def _fill(self, session: WriteSession, bucket: LedgerBucket, load_id: str) -> None:
        alive = Reservation.state.in_(("held", "confirmed"))
        buyers = (
            await session.execute(
                # Those who have none left too: their old keys must still be recognised.
                select(
                    Reservation.user_id,
                    func.coalesce(func.sum(Reservation.quantity).filter(alive), 0),
                )
                .where(*_is(Reservation, bucket))
                .group_by(Reservation.user_id)
            )
        ).all()
        names = [keys.stock(*bucket.name), keys.buyers(*bucket.name)]
        for start in range(0, len(buyers), self._chunk):
            arguments: list[str | bytes | int] = [load_id, bucket.until]
            for user_id, units in buyers[start : start + self._chunk]:
                arguments += [user_id, int(units)]
            async with answered_soon():
                await _FILL.run(self._stock, names, arguments)


@asynccontextmanager
async def answered_soon() -> AsyncIterator[None]:
    """A wait for Redis under a bucket's lock. Its end is told as Redis's own, for around it is PostgreSQL's."""
    try:
        async with asyncio.timeout(LOCKED_SECONDS_MAX):
            yield
    except TimeoutError as error:
        raise RedisTimeoutError(f"no answer within {LOCKED_SECONDS_MAX} s") from error


def _is(row: type[Bucket] | type[Reservation], bucket: LedgerBucket) -> Iterator[ColumnElement[bool]]:
    return (
        column == value for column, value in zip((row.sale_id, row.sku, row.bucket), bucket.name, strict=True)
    )
