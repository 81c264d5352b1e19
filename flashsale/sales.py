"""Sales: applied from a plan, read by everybody, copied into memory for the hot paths."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from flashsale.errors import SaleAlreadyOpen, SaleUnknown, StockBelowTaken
from flashsale.models import Item, Sale
from flashsale.rules import ItemName
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
    rows = (
        await session.execute(
            select(Item)
            .where(Item.sale_id == plan.sale_id)
            .order_by(Item.sku)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).scalars()
    items = {item.sku: item for item in rows}
    facts = await _find(session, plan.sale_id)
    if facts is not None:
        if same_as_applied(facts, plan):
            return facts
        await _refuse_broken_promises(session, facts, plan)
    _refuse_stock_below_taken(items, plan)
    await _write_sale(session, plan)
    await _write_items(session, items, plan)
    return await get_sale(session, plan.sale_id)


async def _refuse_broken_promises(session: WriteSession, facts: SaleFacts, plan: SalePlan) -> None:
    begun = await session.scalar(select(Sale.opens_at <= func.now()).where(Sale.sale_id == facts.sale_id))
    if begun and (changes := broken_promises(facts, plan)):
        raise SaleAlreadyOpen(sale_id=facts.sale_id, changes=changes)


def _refuse_stock_below_taken(items: dict[str, Item], plan: SalePlan) -> None:
    totals = {item.sku: item.total for item in plan.items}
    for sku, item in items.items():
        if totals.get(sku, 0) < item.taken:
            raise StockBelowTaken(sku=sku, total=totals.get(sku, 0), taken=item.taken)


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


async def _write_items(session: WriteSession, items: dict[str, Item], plan: SalePlan) -> None:
    gone = items.keys() - {item.sku for item in plan.items}
    if gone:
        await session.execute(delete(Item).where(Item.sale_id == plan.sale_id, Item.sku.in_(gone)))
    for item in plan.items:
        written = {
            "price_minor": item.price_minor,
            "total": item.total,
            "per_user_limit": item.per_user_limit,
            "texts": item.texts,
        }
        before = items.get(item.sku)
        # A new epoch makes the repair load Redis with the new total, and fences what was meant for the old one.
        step = 1 if before is not None and before.total != item.total else 0
        await session.execute(
            insert(Item)
            .values(sale_id=plan.sale_id, sku=item.sku, **written)
            .on_conflict_do_update(
                index_elements=[Item.sale_id, Item.sku], set_={**written, "epoch": Item.epoch + step}
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
_COLUMNS = (*_SALE_COLUMNS, Item.sku, Item.price_minor, Item.total, Item.per_user_limit, Item.texts)


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
