"""Sales: applied from a plan, read by everybody, copied into memory for the hot paths."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from flashsale.errors import SaleAlreadyOpen, SaleUnknown, StockBelowTaken
from flashsale.models import Bucket, Item, Sale
from flashsale.rules import ItemName, spread
from flashsale.saleplans import (
    ItemFacts,
    ItemPlan,
    SaleFacts,
    SalePlan,
    broken_promises,
    check_plan,
    same_as_applied,
)
from kit.errors import Unavailable
from kit.postgres import Postgres, ReadSession, WriteSession

__all__ = [
    "ItemFacts",
    "ItemPlan",
    "SaleBook",
    "SaleFacts",
    "SalePlan",
    "apply_sale",
    "get_sale",
    "list_sales",
]

log = structlog.get_logger()

REFRESH_SECONDS = 1.0  # a change of a sale file reaches every process within two


async def apply_sale(session: WriteSession, plan: SalePlan) -> SaleFacts:
    """Makes the sale what `plan` says and returns it; applying the same plan again changes nothing.

    A total may go up or down at any time as long as it covers what is taken; Redis follows under a new epoch.
    Raises `InvalidInput`, `SaleAlreadyOpen` (the change breaks a promise), `StockBelowTaken`.
    """
    check_plan(plan)
    # Two first applications of one sale would otherwise meet in a unique violation.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"sale {plan.sale_id}"}
    )
    buckets = await _lock_stock(session, plan.sale_id)
    facts = await _find(session, plan.sale_id)
    if facts is not None:
        if same_as_applied(facts, plan):
            return facts
        await _refuse_broken_promises(session, facts, plan)
    _refuse_stock_below_taken(buckets, plan)
    await _write_sale(session, plan)
    await _write_items(session, buckets, plan)
    return await get_sale(session, plan.sale_id)


async def _lock_stock(session: WriteSession, sale_id: str) -> dict[str, list[Bucket]]:
    """The buckets of each item, locked in the order of lock_buckets.sql."""
    rows = await session.scalars(
        select(Bucket)
        .where(Bucket.sale_id == sale_id)
        .order_by(Bucket.sku, Bucket.bucket)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {sku: [*buckets] for sku, buckets in groupby(rows, key=lambda row: row.sku)}


async def _refuse_broken_promises(session: WriteSession, facts: SaleFacts, plan: SalePlan) -> None:
    begun = await session.scalar(select(Sale.opens_at <= func.now()).where(Sale.sale_id == facts.sale_id))
    if begun and (changes := broken_promises(facts, plan)):
        raise SaleAlreadyOpen(sale_id=facts.sale_id, changes=changes)


def _refuse_stock_below_taken(stock: dict[str, list[Bucket]], plan: SalePlan) -> None:
    totals = {item.sku: item.total for item in plan.items}
    for sku, buckets in stock.items():
        taken = sum(bucket.taken for bucket in buckets)
        if totals.get(sku, 0) < taken:
            raise StockBelowTaken(sku=sku, total=totals.get(sku, 0), taken=taken)


async def _write_sale(session: WriteSession, plan: SalePlan) -> None:
    written = {
        "campaign_id": plan.campaign_id,
        "opens_at": plan.opens_at,
        "closes_at": plan.closes_at,
        "hold_seconds": plan.hold_seconds,
        "currency": plan.currency,
        "texts": plan.texts,
        "shown_rules": plan.shown_rules,
    }
    await session.execute(
        insert(Sale)
        .values(sale_id=plan.sale_id, revision=1, **written)
        .on_conflict_do_update(
            index_elements=[Sale.sale_id],
            set_={**written, "revision": Sale.revision + 1, "applied_at": func.now()},
        )
    )


async def _write_items(session: WriteSession, stock: dict[str, list[Bucket]], plan: SalePlan) -> None:
    if gone := stock.keys() - {item.sku for item in plan.items}:
        for row in (Item, Bucket):
            await session.execute(delete(row).where(row.sale_id == plan.sale_id, row.sku.in_(gone)))
    for item in plan.items:
        written = {
            "price_minor": item.price_minor,
            "total": item.total,
            "per_user_limit": item.per_user_limit,
            "texts": item.texts,
            "buckets": item.buckets,
        }
        await session.execute(
            insert(Item)
            .values(sale_id=plan.sale_id, sku=item.sku, **written)
            .on_conflict_do_update(index_elements=[Item.sale_id, Item.sku], set_=written)
        )
        await _write_buckets(session, plan.sale_id, item, stock.get(item.sku, []))


async def _write_buckets(
    session: WriteSession, sale_id: str, item: ItemPlan, before: Sequence[Bucket]
) -> None:
    """Spreads the stock of an item over its buckets, if that is not what they have together."""
    taken = [bucket.taken for bucket in before]
    if len(before) != item.buckets:
        if any(taken):
            raise SaleAlreadyOpen(sale_id=sale_id, changes=[f"items.{item.sku}.buckets"])
        # Written anew, so that who waits for their lock with an older view of the item finds them gone.
        await session.execute(delete(Bucket).where(Bucket.sale_id == sale_id, Bucket.sku == item.sku))
        taken = [0] * item.buckets
    elif sum(bucket.total for bucket in before) == item.total:
        return
    # A new epoch makes the repair load Redis with the new total, and fences what was meant for the old one.
    epoch = max((bucket.epoch + 1 for bucket in before), default=0)
    written = insert(Bucket).values(
        [
            {"sale_id": sale_id, "sku": item.sku, "bucket": bucket, "total": total, "epoch": epoch}
            for bucket, total in enumerate(spread(item.total, taken))
        ]
    )
    await session.execute(
        written.on_conflict_do_update(
            index_elements=[Bucket.sale_id, Bucket.sku, Bucket.bucket],
            set_={"total": written.excluded.total, "epoch": written.excluded.epoch},
        )
    )


async def get_sale(session: ReadSession, sale_id: str) -> SaleFacts:
    """The sale as applied. Raises `SaleUnknown`."""
    facts = await _find(session, sale_id)
    if facts is None:
        raise SaleUnknown(sale_id=sale_id)
    return facts


async def list_sales(session: ReadSession) -> list[SaleFacts]:
    """Every sale, the next to open first."""
    return _facts(
        await session.execute(
            select(*_COLUMNS)
            .join(Item, Item.sale_id == Sale.sale_id)
            .order_by(Sale.opens_at, Sale.sale_id, Item.sku)
        )
    )


async def _find(session: ReadSession, sale_id: str) -> SaleFacts | None:
    found = await session.execute(
        select(*_COLUMNS)
        .join(Item, Item.sale_id == Sale.sale_id)
        .where(Sale.sale_id == sale_id)
        .order_by(Item.sku)
    )
    return next(iter(_facts(found)), None)


# Columns, not entities: an entity would be answered from the session's memory, a column never is.
_SALE_COLUMNS = (
    Sale.sale_id,
    Sale.campaign_id,
    Sale.opens_at,
    Sale.closes_at,
    Sale.hold_seconds,
    Sale.currency,
    Sale.texts,
    Sale.shown_rules,
    Sale.revision,
)
_COLUMNS = (
    *_SALE_COLUMNS,
    Item.sku,
    Item.price_minor,
    Item.total,
    Item.per_user_limit,
    Item.texts,
    Item.buckets,
)


def _facts(rows: Iterable[Sequence[Any]]) -> list[SaleFacts]:
    names = [column.key for column in _SALE_COLUMNS]
    return [
        SaleFacts(
            **dict(zip(names, first, strict=False)),
            items=tuple(ItemFacts(*row[len(names) :]) for row in (first, *rest)),
        )
        for _, (first, *rest) in groupby(rows, key=lambda row: row[0])
    ]


class SaleBook:
    """One process's copy of all sales. Reading it costs no I/O, so an unknown id costs nobody anything."""

    def __init__(self) -> None:
        self._sales: dict[str, SaleFacts] = {}
        self._items: dict[ItemName, ItemFacts] = {}

    def get(self, sale_id: str) -> SaleFacts:
        """The sale as last read. Raises `SaleUnknown`."""
        facts = self._sales.get(sale_id)
        if facts is None:
            raise SaleUnknown(sale_id=sale_id)
        return facts

    def find(self, sale_id: str) -> SaleFacts | None:
        """The sale as last read, if it is known."""
        return self._sales.get(sale_id)

    def find_item(self, sale_id: str, sku: str) -> ItemFacts | None:
        """The item as last read, if it is known."""
        return self._items.get((sale_id, sku))

    def all(self) -> list[SaleFacts]:
        return list(self._sales.values())

    async def refresh(self, postgres: Postgres) -> None:
        """Reads all sales. Raises `Unavailable`; what was read before stays."""
        async with postgres.read() as session:
            sales = await list_sales(session)
        self._sales = {facts.sale_id: facts for facts in sales}
        self._items = {(facts.sale_id, item.sku): item for facts in sales for item in facts.items}

    async def run(self, postgres: Postgres) -> None:
        """Refreshes every second until cancelled; while PostgreSQL is away the copy stays as it was."""
        while True:
            try:
                await self.refresh(postgres)
            except Unavailable:
                log.warning("sale_book_not_refreshed")
            await asyncio.sleep(REFRESH_SECONDS)
