"""How much is left of everything, read once a second a process and told from memory."""

import asyncio
from collections.abc import Iterator

import structlog
from redis.asyncio import Redis

from flashsale.rules import Band, band
from flashsale.sales import ItemFacts, SaleBook
from flashsale.snapshots import StockSnapshot, take_snapshots
from kit.redis import is_away

log = structlog.get_logger()

REFRESH_SECONDS = 1.0  # sold out must be public within two seconds
STALE_REFRESHES = 3  # so many misses in a row and the view says of itself that it is old


class StockBoard:
    """The last view of all stock. `stale` while Redis cannot be asked; the last view stands meanwhile."""

    def __init__(self) -> None:
        self._bands: dict[str, dict[str, Band]] = {}
        self._misses = STALE_REFRESHES

    @property
    def stale(self) -> bool:
        return self._misses >= STALE_REFRESHES

    def bands(self, sale_id: str) -> dict[str, Band]:
        """What is left of each item of the sale; empty for a sale that has not been read yet."""
        return dict(self._bands.get(sale_id, {}))

    def sold_out(self, sale_id: str) -> bool:
        """Whether no unit of any item is free. Revocable: a hold that ends may free one."""
        bands = self._bands.get(sale_id)
        return bands is not None and all(each == "none" for each in bands.values())

    async def refresh(self, stock: Redis, book: SaleBook) -> None:
        """Reads all items of all sales in one round trip; Redis being away makes the view stale, no more."""
        wanted = [(sale.sale_id, item) for sale in book.all() for item in sale.items]
        try:
            snapshots = iter(
                await take_snapshots(
                    stock,
                    [
                        (sale_id, item.sku, bucket)
                        for sale_id, item in wanted
                        for bucket in range(item.buckets)
                    ],
                    claims=False,
                )
            )
        except Exception as error:
            if not is_away(error):
                raise
            self._misses += 1
            return
        before = self._bands
        view: dict[str, dict[str, Band]] = {}
        for sale_id, item in wanted:
            seen = band(_available(item, snapshots), item.total)
            if seen == "unknown":  # about to be reloaded: the last view is better than none
                seen = before.get(sale_id, {}).get(item.sku, "unknown")
            view.setdefault(sale_id, {})[item.sku] = seen
        self._bands, self._misses = view, 0

    async def run(self, stock: Redis, book: SaleBook) -> None:
        """Refreshes every second until cancelled."""
        while True:
            await self.refresh(stock, book)
            await asyncio.sleep(REFRESH_SECONDS)


def _available(item: ItemFacts, snapshots: Iterator[StockSnapshot]) -> int | None:
    """The sum over the item's buckets, whose snapshots come next; None while one of them is not known."""
    seen = [next(snapshots) for _ in range(item.buckets)]
    return sum(each.available for each in seen) if all(each.is_open for each in seen) else None
