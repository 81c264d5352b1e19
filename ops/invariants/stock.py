"""Redis against the ledger: what Redis would still give away is never more than the ledger has left.

The two are read one after the other while a sale runs, so a difference of a moment means nothing: only an item that
is above the ledger at every one of several looks is a violation.
"""

from typing import Final

from redis.asyncio import Redis
from sqlalchemy import select

from flashsale.models import Item
from flashsale.upkeep import StockView, stock_views
from kit.postgres import Postgres

STOCK_TRUTH: Final = ("stock_redis_below_ledger", "Redis never offers more units than the ledger has left")


def is_above_ledger(view: StockView) -> bool:
    """Whether Redis, under the ledger's own epoch, offers units that are not there.

    Under another epoch its claims are fenced by the ledger, and an item that Redis does not know is not offered.
    """
    if view.redis_available is None or view.redis_epoch != view.epoch:
        return False
    return view.redis_available > view.total - view.taken


async def find_above_ledger(postgres: Postgres, stock: Redis, sale_id: str | None) -> list[str]:
    """`sale/sku` of the items that are above the ledger at this look. Raises `Unavailable`, redis errors."""
    async with postgres.read() as session:
        wanted = select(Item.sale_id).distinct()
        if sale_id is not None:
            wanted = wanted.where(Item.sale_id == sale_id)
        sale_ids = list(await session.scalars(wanted))
        return [
            f"{each}/{view.sku}"
            for each in sale_ids
            for view in await stock_views(session, stock, each)
            if is_above_ledger(view)
        ]
