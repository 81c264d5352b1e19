"""The sale of one trial: opened afresh, hurried along, looked at, put away, so that trials can share their servers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import func, select, update

from flashsale import keys
from flashsale.events import outbox
from flashsale.models import Payment, Reservation, Sale
from flashsale.sales import ItemPlan, SalePlan
from kit.clock import SystemClock
from kit.postgres import Postgres, ReadSession, WriteSession
from ops.planning.salefile import SaleFile, apply
from queueing.models import Room
from queueing.rooms import RoomPlan
from rewards.grants import RulePlan
from rewards.models import Grant, Payout

SKU: Final = "phone"
UNITS: Final = 6
BUCKETS: Final = 2
PRICE_MINOR: Final = 1999
REWARD_MINOR: Final = 500
RATE_PER_SECOND: Final = 10_000  # the waiting room is walked through, not waited in
_TEXTS: Final = {"zh-CN": {"title": "手机"}, "en": {"title": "Phone"}}
_AWAY: Final = timedelta(days=2)  # a sale that was over so long ago is nobody's business any more


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What of a sale has still to end."""

    overdue: int
    events: int
    payouts: int
    refunds: int
    unheard: int

    @property
    def is_nothing(self) -> bool:
        return not (self.overdue or self.events or self.payouts or self.refunds or self.unheard)


async def open_sale(postgres: Postgres, sale_id: str) -> None:
    """A sale that has just opened: one item, a waiting room, a reward for everybody."""
    now = SystemClock().now()
    opens_at, closes_at = now - timedelta(minutes=1), now + timedelta(hours=1)
    item = ItemPlan(
        sku=SKU, price_minor=PRICE_MINOR, total=UNITS, per_user_limit=1, texts=_TEXTS, buckets=BUCKETS
    )
    plan = SalePlan(
        sale_id=sale_id, campaign_id="sweep", opens_at=opens_at, closes_at=closes_at, hold_seconds=600,
        currency="CNY", texts=_TEXTS, shown_rules={}, items=(item,),
    )  # fmt: skip
    reward = RulePlan("cash", "cash", REWARD_MINOR, "CNY", None, None, REWARD_MINOR * UNITS)
    room = RoomPlan(sale_id, opens_at, closes_at, RATE_PER_SECOND)
    async with postgres.unit_of_work() as session:
        await apply(session, SaleFile(plan, room, (reward,)), actor="sweep")


async def put_away(postgres: Postgres, sale_id: str) -> None:
    """Ends the sale long ago, so that no duty of a later trial finds anything of it."""
    async with postgres.unit_of_work() as session:
        for table in (Sale, Room):
            closes_at = func.now() - _AWAY
            await session.execute(
                update(table)
                .where(table.sale_id == sale_id)
                .values(opens_at=closes_at - timedelta(minutes=1), closes_at=closes_at)
            )
        held = (Reservation.sale_id == sale_id) & (Reservation.state == "held")
        await session.execute(
            update(Reservation).where(held).values(expires_at=func.now() + timedelta(days=3650))
        )


async def let_hold_lapse(postgres: Postgres, reservation_id: UUID) -> None:
    """The deadline of a hold has passed, if it is still one."""
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(Reservation)
            .where(Reservation.reservation_id == reservation_id, Reservation.state == "held")
            .values(expires_at=Reservation.held_at)
        )


async def let_time_pass(postgres: Postgres, sale_id: str) -> None:
    """Whatever is rung again only after a while is due now."""
    async with postgres.unit_of_work() as session:
        await _ring_events(session, sale_id)
        grants = select(Grant.grant_id).where(Grant.sale_id == sale_id)
        await session.execute(
            update(Payout)
            .where(Payout.state == "due", Payout.grant_id.in_(grants))
            .values(ring_at=func.now())
            .execution_options(synchronize_session=False)
        )
        bought = select(Reservation.reservation_id).where(Reservation.sale_id == sale_id)
        await session.execute(
            update(Payment)
            .where(Payment.state == "refund_due", Payment.reservation_id.in_(bought))
            .values(refund_ring_at=None)
            .execution_options(synchronize_session=False)
        )
        await session.execute(
            update(Payment)
            .where(Payment.ask_at.is_not(None), Payment.reservation_id.in_(bought))
            .values(ask_at=func.now())
            .execution_options(synchronize_session=False)
        )


async def _ring_events(session: WriteSession, sale_id: str) -> None:
    rows = outbox.table.c
    undone = rows.done_at.is_(None) & (rows.payload["sale_id"].astext == sale_id)
    await session.execute(update(outbox.table).where(undone).values(relayed_at=None))


async def look(session: ReadSession, sale_id: str) -> Unfinished:
    """What has still to end."""
    rows = outbox.table.c
    bought = select(Reservation.reservation_id).where(Reservation.sale_id == sale_id)
    counts = (
        select(func.count()).select_from(Reservation).where(
            Reservation.sale_id == sale_id, Reservation.state == "held", Reservation.expires_at <= func.now()
        ),
        select(func.count()).select_from(outbox.table).where(
            rows.done_at.is_(None), rows.payload["sale_id"].astext == sale_id
        ),
        select(func.count()).select_from(Payout).join(Grant, Grant.grant_id == Payout.grant_id).where(
            Payout.state == "due", Grant.sale_id == sale_id
        ),
        select(func.count()).select_from(Payment).where(
            Payment.state == "refund_due", Payment.reservation_id.in_(bought)
        ),
        select(func.count()).select_from(Payment).where(
            Payment.ask_at.is_not(None), Payment.reservation_id.in_(bought)
        ),
    )  # fmt: skip
    return Unfinished(*(await session.execute(select(*(each.scalar_subquery() for each in counts)))).one())


async def lose_stock(stock: Redis, sale_id: str) -> None:
    """Redis forgets the sale, as if it had been flushed; only this one, for others share the server."""
    for bucket in range(BUCKETS):
        await stock.delete(
            *(build(sale_id, SKU, bucket) for build in (keys.stock, keys.pending, keys.buyers))
        )
