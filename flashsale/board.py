"""How much is left of everything, read once a second a process and told from memory."""

import asyncio

import structlog
from redis.asyncio import Redis

from flashsale import keys
from flashsale.rules import Band, band
from flashsale.sales import SaleBook
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
            pipeline = stock.pipeline(transaction=False)
            for sale_id, item in wanted:
                pipeline.hmget(keys.stock(sale_id, item.sku), ["available", "open", "run"])
            pipeline.info("server")
            *answers, server = await pipeline.execute()
        except Exception as error:
            if not is_away(error):
                raise
            self._misses += 1
            return
        before = self._bands
        view: dict[str, dict[str, Band]] = {}
        for (sale_id, item), (available, is_open, run) in zip(wanted, answers, strict=True):
            is_known = is_open and run == server["run_id"].encode()
            seen = band(int(available) if is_known else None, item.total)
            if seen == "unknown":  # about to be reloaded: the last view is better than none
                seen = before.get(sale_id, {}).get(item.sku, "unknown")
            view.setdefault(sale_id, {})[item.sku] = seen
        self._bands, self._misses = view, 0

    async def run(self, stock: Redis, book: SaleBook) -> None:
        """Refreshes every second until cancelled."""
        while True:
            await self.refresh(stock, book)
            await asyncio.sleep(REFRESH_SECONDS)
