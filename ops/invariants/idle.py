"""Units that nobody can buy: free in the ledger, and neither on offer in Redis nor claimed there.

Reservations and returns move Redis and the ledger one after the other, so a sale that sells shows differences of a
moment. A difference is therefore named with its figures: only one that rests, the same at every look, counts.
"""

from typing import Final

from redis.asyncio import Redis

from flashsale.sales import list_sales
from flashsale.upkeep import StockView, stock_views
from kit.clock import SystemClock
from kit.postgres import Postgres

IDLE_TRUTH: Final = (
    "stock_none_idle",
    "no unit of an open sale lies free in the ledger without being on offer",
)


def is_idle(view: StockView, free: int) -> bool:
    """Whether Redis, loaded from this very ledger, offers less than is `free` there.

    What is claimed counts as offered: it is settled, or comes back, within seconds. Where Redis does not know the bucket,
    or under another epoch, the ledger sells by itself and nothing is idle.
    """
    if view.redis_available is None or view.redis_pending is None or view.redis_epoch != view.epoch:
        return False
    return view.redis_available + view.redis_pending < free


async def find_idle(postgres: Postgres, stock: Redis, sale_id: str | None) -> list[str]:
    """`sale/sku/bucket` and the figures of what lies idle at this look. Raises `Unavailable`, redis errors."""
    await stock.ping()  # the views would only be silent about a Redis that is away
    now = SystemClock().now()
    found = []
    async with postgres.read() as session:
        open_sales = [
            sale.sale_id for sale in await list_sales(session) if sale.opens_at <= now < sale.closes_at
        ]
        for open_sale in open_sales if sale_id is None else {sale_id} & {*open_sales}:
            for view in await stock_views(session, stock, open_sale):
                free = view.total - view.taken
                if is_idle(view, free):
                    offered = f"{view.redis_available} + {view.redis_pending} of {free}"
                    found.append(f"{open_sale}/{view.sku}/{view.bucket}: {offered}")
    return found
