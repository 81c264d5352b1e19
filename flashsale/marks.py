"""Sold-out marks: what is gone is refused from memory, at the price of a look-up, however many still ask.

A mark stands while Redis says that nothing of the item is free. It is looked at once a second and may be taken back at
any time: a hold that ends frees units. A refusal must not be the answer to a repeat of what was granted, so a mark comes
with everybody who has ever had some of the item under its present load; they are not refused here.

What that leaves open: a unit that came back and was sold by another process since the last look. For up to
`REFRESH_SECONDS` its buyer, repeating a key here whose answer was lost, may be told `sold_out`; the next repeat and the
list of one's own reservations tell the truth.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

import structlog
from redis.asyncio import Redis

from flashsale import keys, metrics
from flashsale.rules import BucketName, ItemName
from flashsale.sales import SaleBook
from flashsale.snapshots import StockSnapshot, take_snapshots
from kit.redis import is_away

log = structlog.get_logger()

REFRESH_SECONDS: Final = 1.0  # sold out must be public within two seconds
TRUST_SECONDS: Final = 3.0  # without news for so long, Redis is asked again
# Some 10 MB an item; larger stocks are not marked, and Redis refuses for them.
BUYERS_MAX: Final = 100_000
_PIECE: Final = 1000  # each look at the buyers stays far below a millisecond of Redis


class SoldOutMarks:
    """The marks of one process; none before the first `refresh`."""

    def __init__(self, stock: Redis, book: SaleBook) -> None:
        self._stock, self._book = stock, book
        self._marks: dict[
            ItemName, tuple[tuple[int, ...], frozenset[str]]
        ] = {}  # epochs of the loads; who had some
        self._until = 0.0

    def refuses(self, sale_id: str, sku: str, user_id: str) -> bool:
        """Whether nothing is free of the item and this user cannot be repeating an old key."""
        mark = self._marks.get((sale_id, sku))
        return mark is not None and user_id not in mark[1] and time.monotonic() < self._until

    async def refresh(self) -> None:
        """Looks at every item once; while Redis is away the marks run out."""
        wanted = {(sale.sale_id, item.sku): item.buckets for sale in self._book.all() for item in sale.items}
        try:
            marks = await self._look(wanted)
        except Exception as error:
            if not is_away(error):
                raise
            return
        self._marks, self._until = marks, time.monotonic() + TRUST_SECONDS
        metrics.SOLD_OUT_MARKS.set(len(marks))

    async def run(self) -> None:
        """Refreshes every second until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def _look(
        self, wanted: Mapping[ItemName, int]
    ) -> dict[ItemName, tuple[tuple[int, ...], frozenset[str]]]:
        """The marks of items, given how many buckets each has."""
        names = {item: [(*item, bucket) for bucket in range(buckets)] for item, buckets in wanted.items()}
        seen = iter(await take_snapshots(self._stock, [*chain(*names.values())], claims=False))
        marks = {}
        for item, buckets in names.items():
            snapshots = [next(seen) for _ in buckets]
            buyers = sum(each.buyers for each in snapshots)
            if not _is_gone(snapshots) or buyers > BUYERS_MAX:
                continue
            known, epochs = self._marks.get(item), tuple(each.epoch for each in snapshots)
            # Who is among the buyers stays there until the next load, so as many are the same.
            if known is None or known[0] != epochs or len(known[1]) != buyers:
                known = (epochs, frozenset().union(*[await self._buyers(name) for name in buckets]))
                if len(known[1]) != buyers:
                    continue  # somebody has bought meanwhile: next time
            marks[item] = known
        return marks

    async def _buyers(self, name: BucketName) -> frozenset[str]:
        found: set[str] = set()
        cursor = 0
        while True:
            piece: dict[bytes, bytes]
            cursor, piece = await self._stock.hscan(  # type: ignore[assignment]
                keys.buyers(*name), cursor, count=_PIECE
            )
            found.update(map(bytes.decode, piece))
            if cursor == 0 or len(found) > BUYERS_MAX:
                return frozenset(found)


def _is_gone(snapshots: Sequence[StockSnapshot]) -> bool:
    """Whether every bucket is known and none has a unit: one that is left can be lent to all."""
    return all(each.is_open and each.available <= 0 for each in snapshots)
