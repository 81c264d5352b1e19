"""Scenes that the tests of this room set: sales, admitted shoppers, services over real servers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec import structs
from redis.asyncio import Redis
from sqlalchemy import func, select, update

from flashsale import keys, models
from flashsale.facts import Admitted, ReserveRequest
from flashsale.reservations import Reservations
from flashsale.rules import Wish
from flashsale.sales import ItemPlan, SaleBook, SalePlan, apply_sale
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair
from kit.clock import SystemClock
from kit.ids import new_id
from kit.postgres import Postgres
from kit.redis import RedisRoles

SKU = "phone"
TEXTS = {"zh-CN": {"title": "手机"}, "en": {"title": "Phone"}}
# Tests do not wait for the repair's patience: what was left behind is settled at once.
IMPATIENT = FlashsaleSettings(pending_seconds_max=1e-9, drift_recheck_seconds=0)


def an_item(sku: str = SKU, **changes: Any) -> ItemPlan:
    return replace(ItemPlan(sku=sku, price_minor=1999, total=10, per_user_limit=1, texts=TEXTS), **changes)


def a_plan(sale_id: str, *items: ItemPlan, **changes: Any) -> SalePlan:
    now = datetime.now(UTC)
    plan = SalePlan(
        sale_id=sale_id,
        campaign_id="double11",
        opens_at=now - timedelta(minutes=1),
        closes_at=now + timedelta(hours=1),
        hold_seconds=60,
        currency="CNY",
        texts=TEXTS,
        shown_rules={},
        items=items or (an_item(),),
    )
    return replace(plan, **changes)


def a_request(sale_id: str, user_id: str, *, key: str | None = None, **changes: Any) -> ReserveRequest:
    admitted = Admitted(sale_id, user_id, uuid4(), 7)
    return structs.replace(ReserveRequest(admitted, SKU, 1, key or uuid4().hex, "13800008000"), **changes)


class Shop:
    """One sale on real servers, with the service of one process."""

    def __init__(self, postgres: Postgres, roles: RedisRoles, plan: SalePlan) -> None:
        self.postgres, self.stock, self.queue, self.plan = postgres, roles.stock, roles.queue, plan
        self.sale_id = plan.sale_id
        self.book = SaleBook()

    async def open(self, *, loaded: bool = True) -> None:
        async with self.postgres.unit_of_work() as session:
            await apply_sale(session, self.plan)
        await self.book.refresh(self.postgres)
        if loaded:
            await self.repair()

    async def repair(self) -> None:
        await StockRepair(self.postgres, self.stock, IMPATIENT).run_once()

    def service(self, stock: Redis | None = None, **settings: Any) -> Reservations:
        return Reservations(
            self.postgres,
            stock or self.stock,
            self.queue,
            self.book,
            SystemClock(),
            FlashsaleSettings(**settings),
        )

    async def taken(self, sku: str = SKU) -> int:
        async with self.postgres.read() as session:
            row = models.Bucket
            found = await session.scalar(
                select(func.sum(row.taken)).where(row.sale_id == self.sale_id, row.sku == sku)
            )
        return int(found or 0)

    async def units(self, sku: str = SKU) -> int:
        """Held and confirmed, by the rows."""
        row = models.Reservation
        async with self.postgres.read() as session:
            found = await session.scalar(
                select(func.coalesce(func.sum(row.quantity), 0)).where(
                    row.sale_id == self.sale_id, row.sku == sku, row.state.in_(("held", "confirmed"))
                )
            )
        return int(found or 0)

    async def available(self, sku: str = SKU) -> int | None:
        """Free in Redis, in an item of one bucket."""
        found = await self.stock.hget(keys.stock(self.sale_id, sku, 0), "available")  # type: ignore[misc]
        return None if found is None else int(found)

    async def pending(self, sku: str = SKU) -> int:
        return int(await self.stock.hlen(keys.pending(self.sale_id, sku, 0)))  # type: ignore[misc]

    async def forget(self, skus: Sequence[str] = (SKU,)) -> None:
        """Redis loses this sale, as if it had been emptied."""
        for sku in skus:
            for build in (keys.stock, keys.pending, keys.buyers):
                for bucket in range(self.book.get(self.sale_id).item(sku).buckets):  # type: ignore[union-attr]
                    await self.stock.delete(build(self.sale_id, sku, bucket))

    async def overdue(self, reservation_id: UUID | None = None) -> None:
        """Moves the deadline of a hold, or of all, so far into the past that they end before what other tests left due."""
        row = models.Reservation
        of_whom = (
            row.sale_id == self.sale_id if reservation_id is None else row.reservation_id == reservation_id
        )
        async with self.postgres.unit_of_work() as session:
            await session.execute(
                update(row).where(of_whom).values(expires_at=row.held_at - timedelta(days=3650))
            )

    async def count_taken(self, units: int, sku: str = SKU) -> None:
        """Breaks the books of an item of one bucket: its counter says what it is told."""
        row = models.Bucket
        async with self.postgres.unit_of_work() as session:
            await session.execute(
                update(row).where(row.sale_id == self.sale_id, row.sku == sku).values(taken=units)
            )


def a_wish(sale_id: str, user_id: str, *, key: str | None = None, **changes: Any) -> Wish:
    home = (sale_id, changes.get("sku", SKU), 0)
    wish = Wish(new_id(), sale_id, SKU, user_id, 1, key or uuid4().hex, b"same", uuid4(), 7, None, home, 1)
    return structs.replace(wish, **changes)
