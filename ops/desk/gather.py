"""Gathers the facts of a shopper from the rooms, all as of one instant."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from flashsale.payments import PaymentFacts, list_payments
from flashsale.reservations import Reservation, list_reservations
from flashsale.sales import SaleFacts
from kit.errors import Unavailable
from kit.postgres import ReadSession
from ops.desk import readings
from ops.desk.facts import Charge, Hold, Line, Reward, SaleWindow, ShopperFacts
from rewards.grants import RewardFacts, list_rewards

# A shopper of ours has a handful. Cutting a list short could hide the payment that explains a reservation.
RECORDS_MAX: Final = 2_000

PlaceFinder = Callable[[str, str], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that PostgreSQL knows about one shopper, over all sales, as of `now`."""

    now: datetime
    reservations: Sequence[Reservation]
    payments: Sequence[PaymentFacts]
    rewards: Sequence[RewardFacts]
    entries: dict[UUID, readings.Entry]
    unjudged_sales: set[str]

    @property
    def sale_ids(self) -> set[str]:
        return {reservation.sale_id for reservation in self.reservations} | {r.sale_id for r in self.rewards}

    @property
    def phones(self) -> list[str]:
        """The phones that the reservations name, the newest first, each once."""
        return list(dict.fromkeys(r.phone for r in self.reservations if r.phone is not None))


async def read_records(session: ReadSession, user_id: str, now: datetime) -> Records:
    """The records of `user_id`. The session must hold still (`readings.hold_still`)."""
    return Records(
        now=now,
        reservations=await list_reservations(session, user_id, limit=RECORDS_MAX),
        payments=await list_payments(session, user_id, limit=RECORDS_MAX),
        rewards=await list_rewards(session, user_id),
        entries=await readings.read_entries(session, user_id),
        unjudged_sales=await readings.read_unjudged_sales(session, user_id),
    )


def no_records(now: datetime) -> Records:
    """Of somebody whom PostgreSQL does not know."""
    return Records(now, (), (), (), {}, set())


@dataclass(frozen=True, slots=True)
class SaleNow:
    """A sale with what the whole crowd shares: its frontier and whether anything is left."""

    sale: SaleFacts
    room: readings.RoomNow | None
    sold_out: bool


async def read_sales_now(session: ReadSession, sales: Sequence[SaleFacts]) -> list[SaleNow]:
    sale_ids = [sale.sale_id for sale in sales]
    rooms = await readings.read_rooms(session, sale_ids)
    sold_out = await readings.read_sold_out(session, sale_ids)
    return [SaleNow(sale, rooms.get(sale.sale_id), sale.sale_id in sold_out) for sale in sales]


async def gather(
    session: ReadSession,
    find_place: PlaceFinder,
    records: Records,
    now_in: SaleNow,
    user_id: str,
    *,
    for_steps: bool = True,
) -> ShopperFacts:
    """The facts of one shopper in one sale. A waiting room that is away is a fact, not an error.

    Without `for_steps` what no verdict asks for is not read: notices and attempts.
    """
    sale_id = now_in.sale.sale_id
    holds = [r for r in records.reservations if r.sale_id == sale_id]
    here = {hold.reservation_id for hold in holds}
    charges = [payment for payment in records.payments if payment.reservation_id in here]
    rewards = [reward for reward in records.rewards if reward.sale_id == sale_id]
    payment_ids = [charge.payment_id for charge in charges if for_steps]
    grant_ids = [reward.grant_id for reward in rewards if for_steps]
    return ShopperFacts(
        sale=_window(now_in.sale),
        now=records.now,
        line=await _find_line(find_place, records, now_in, user_id),
        sold_out=now_in.sold_out,
        reward_open=sale_id in records.unjudged_sales,
        holds=tuple(_hold(hold, records) for hold in holds),
        charges=tuple(_charge(charge) for charge in charges),
        notices=tuple(await readings.read_notices(session, payment_ids) if payment_ids else ()),
        rewards=tuple(_reward(reward) for reward in rewards),
        tries=tuple(await readings.read_tries(session, grant_ids) if grant_ids else ()),
    )


async def _find_line(find_place: PlaceFinder, records: Records, now_in: SaleNow, user_id: str) -> Line:
    room = now_in.room or readings.RoomNow(frontier=0, paused=False)
    try:
        position = await find_place(now_in.sale.sale_id, user_id)
        reachable = True
    except Unavailable:
        position, reachable = None, False
    if position is None:
        # Whoever reserved had a place, and the reservation remembers it when Redis does not.
        places = [
            records.entries[r.reservation_id].position
            for r in records.reservations
            if r.sale_id == now_in.sale.sale_id and r.reservation_id in records.entries
        ]
        position = min(places, default=None)
    return Line(position, room.frontier, room.paused, reachable or position is not None)


def _window(sale: SaleFacts) -> SaleWindow:
    titles = {tag: str(texts["title"]) for tag, texts in sale.texts.items() if "title" in texts}
    return SaleWindow(sale.sale_id, sale.campaign_id, sale.opens_at, sale.closes_at, titles)


def _hold(row: Reservation, records: Records) -> Hold:
    entry = records.entries.get(row.reservation_id)
    return Hold(
        reservation_id=row.reservation_id,
        sku=row.sku,
        quantity=row.quantity,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=row.state,
        held_at=row.held_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        regrant_of=row.regrant_of,
        admitted_at=None if entry is None else entry.admitted_at,
    )


def _charge(row: PaymentFacts) -> Charge:
    return Charge(
        payment_id=row.payment_id,
        reservation_id=row.reservation_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=row.state,
        created_at=row.created_at,
        reason=row.reason,
        serves=row.serves,
        paid_at=row.paid_at,
        refunded_at=row.refunded_at,
    )


def _reward(row: RewardFacts) -> Reward:
    return Reward(
        grant_id=row.grant_id,
        kind=row.kind,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=row.state,
        granted_at=row.granted_at,
        ended_at=row.ended_at,
        reason=row.reason,
        owner=row.owner,
    )
