"""Redis against the ledger: what Redis would still give away is never more than the ledger has left.

Read in the order ledger, Redis, ledger, so that reservations in between can only make the sum look smaller; units that
come back in between can make it look larger for a moment, so only a bucket that is above at every look counts.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import select

from flashsale.models import Bucket, Reservation
from flashsale.snapshots import StockSnapshot, take_snapshots
from kit.postgres import Postgres

STOCK_TRUTH: Final = ("stock_redis_below_ledger", "Redis never offers more units than the ledger has left")


def is_above_ledger(free: int, epoch: int, snapshot: StockSnapshot, committed: frozenset[UUID]) -> bool:
    """Whether Redis, under the ledger's own epoch, has more to give than the ledger.

    What is claimed and not committed counts as Redis's: it comes back when its commit fails. Under another epoch the
    ledger fences Redis's claims, and a bucket that is absent or being loaded is not offered at all.
    """
    if not snapshot.is_open or snapshot.epoch != epoch:
        return False
    in_flight = sum(claim.quantity for claim in snapshot.pending if claim.reservation_id not in committed)
    return snapshot.available + in_flight > free


async def find_above_ledger(postgres: Postgres, stock: Redis, sale_id: str | None) -> list[str]:
    """`sale/sku/bucket` of what is above the ledger at this look. Raises `Unavailable`, redis errors."""
    name = (Bucket.sale_id, Bucket.sku, Bucket.bucket)
    wanted = select(*name, Bucket.total - Bucket.taken, Bucket.epoch).order_by(*name)
    if sale_id is not None:
        wanted = wanted.where(Bucket.sale_id == sale_id)
    async with postgres.read() as session:
        buckets = (await session.execute(wanted)).all()
    snapshots = await take_snapshots(stock, [(row[0], row[1], row[2]) for row in buckets])
    committed = await _read_committed(postgres, snapshots)
    return [
        f"{sale}/{sku}/{bucket}"
        for (sale, sku, bucket, free, epoch), snapshot in zip(buckets, snapshots, strict=True)
        if is_above_ledger(free, epoch, snapshot, committed)
    ]


async def _read_committed(postgres: Postgres, snapshots: Sequence[StockSnapshot]) -> frozenset[UUID]:
    claimed = [claim.reservation_id for snapshot in snapshots for claim in snapshot.pending]
    if not claimed:
        return frozenset()
    async with postgres.read() as session:
        found = await session.scalars(
            select(Reservation.reservation_id).where(Reservation.reservation_id.in_(claimed))
        )
        return frozenset(found)
