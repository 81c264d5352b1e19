"""What the tests of stock in buckets share: who lives where, a rush, the two sides of an item bucket by bucket."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count, islice

from sqlalchemy import select

from flashsale import models
from flashsale.reservations import Reservations
from flashsale.rules import home_bucket
from flashsale.snapshots import StockSnapshot, take_snapshots
from tests.flashsale.scenes import SKU, Shop, a_request


def users_of(*homes: int, buckets: int, number: int) -> list[str]:
    """The first users who live in those buckets of so many."""
    return list(islice((f"user{n}" for n in count() if home_bucket(f"user{n}", buckets) in homes), number))


async def rush(services: Sequence[Reservations], shop: Shop, users: Sequence[str]) -> Counter[str]:
    """All at once, over all services; how many got which answer."""
    answers = await asyncio.gather(
        *(services[n % len(services)].reserve(a_request(shop.sale_id, user)) for n, user in enumerate(users)),
        return_exceptions=True,
    )
    return Counter(type(answer).__name__ for answer in answers)


async def ledger_of(shop: Shop) -> list[models.Bucket]:
    async with shop.postgres.read() as session:
        row = models.Bucket
        found = await session.scalars(
            select(row).where(row.sale_id == shop.sale_id).order_by(row.sku, row.bucket)
        )
        return list(found)


async def redis_of(shop: Shop, buckets: int) -> list[StockSnapshot]:
    return await take_snapshots(shop.stock, [(shop.sale_id, SKU, bucket) for bucket in range(buckets)])


async def assert_whole(shop: Shop, total: int, buckets: int) -> None:
    """No unit was made or lost, and Redis offers bucket by bucket what the ledger has."""
    ledger = await ledger_of(shop)
    assert sum(row.total for row in ledger) == total
    assert await shop.taken() == await shop.units()
    seen = await redis_of(shop, buckets)
    assert [shot.available for shot in seen] == [row.total - row.taken for row in ledger]
    assert all(shot.is_open and not shot.pending for shot in seen)
