"""What keeps the room right on a schedule; the keeper calls it, and whoever checks the room looks through it."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select

from flashsale.holds import expire_holds
from flashsale.models import Bucket
from flashsale.repair import RepairReport, StockRepair
from flashsale.snapshots import take_snapshots
from kit.postgres import ReadSession, WriteSession
from kit.redis import is_away

__all__ = ["RepairReport", "StockRepair", "StockView", "expire_due", "stock_views"]


@dataclass(frozen=True, slots=True)
class StockView:
    """One bucket of an item in the ledger and in Redis; the Redis side is None where Redis does not know it."""

    sku: str
    bucket: int
    total: int
    taken: int
    epoch: int
    redis_available: int | None
    redis_pending: int | None
    redis_epoch: int | None


async def expire_due(session: WriteSession, stock: Redis, *, batch_max: int) -> int:
    """Ends up to `batch_max` holds whose stored deadline has passed by PostgreSQL's clock; how many were ended.

    Several may run at once; each hold is ended by one of them. The units reach Redis after the caller's commit.
    """
    return await expire_holds(session, stock, batch_max=batch_max)


async def stock_views(session: ReadSession, stock: Redis, sale_id: str) -> list[StockView]:
    """Each bucket of a sale's items as the ledger and as Redis see it, not at one instant. Never raises for Redis."""
    rows = (
        await session.execute(
            select(Bucket.sku, Bucket.bucket, Bucket.total, Bucket.taken, Bucket.epoch)
            .where(Bucket.sale_id == sale_id)
            .order_by(Bucket.sku, Bucket.bucket)
        )
    ).all()
    try:
        snapshots = await take_snapshots(stock, [(sale_id, row.sku, row.bucket) for row in rows])
    except (RedisError, OSError) as error:
        if not is_away(error):
            raise
        return [StockView(*row, None, None, None) for row in rows]
    return [
        StockView(*row, seen.available, seen.pending_units, seen.epoch)
        if seen.is_open
        else StockView(*row, None, None, None)
        for row, seen in zip(rows, snapshots, strict=True)
    ]
