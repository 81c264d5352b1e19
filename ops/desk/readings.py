"""What the desk reads beside the rooms' public functions: the times and inner facts that shoppers are not shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text

from flashsale import models as flashsale
from flashsale.events import outbox
from kit.postgres import ReadSession
from ops.desk.facts import Notice, Try
from queueing.models import Room
from rewards import models as rewards

USERS_FOUND_MAX: Final = 20  # one phone belongs to few users; what finds more is no exact question


@dataclass(frozen=True, slots=True)
class Entry:
    """With which admission a reservation was made, and when that was given (version 7 ids carry their time)."""

    position: int
    admitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class RoomNow:
    """A waiting room as it is durable: it trails Redis by about a second and outlives it."""

    frontier: int
    paused: bool


async def hold_still(session: ReadSession) -> datetime:
    """Makes every later read of the transaction see one instant, and returns it.

    Otherwise a payment that is confirmed between two reads would look like money that serves nothing. Must be the
    transaction's first statement.
    """
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return (await session.execute(select(func.now()))).scalar_one()


async def read_entries(session: ReadSession, user_id: str) -> dict[UUID, Entry]:
    """By reservation."""
    row = flashsale.Reservation
    found = await session.execute(
        select(row.reservation_id, row.admission_id, row.admission_position).where(row.user_id == user_id)
    )
    return {
        reservation_id: Entry(position, time_of(admission_id))
        for reservation_id, admission_id, position in found
    }


def time_of(identifier: UUID) -> datetime | None:
    """When a version 7 id was made, to the millisecond; None for other versions."""
    if identifier.version != 7:
        return None
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


async def read_notices(session: ReadSession, payment_ids: Sequence[UUID]) -> list[Notice]:
    row = flashsale.PaymentNotice
    found = await session.execute(
        select(row.payment_id, row.kind, row.received_at)
        .where(row.payment_id.in_(payment_ids))
        .order_by(row.received_at, row.event_id)
    )
    return [Notice(*each) for each in found]


async def read_tries(session: ReadSession, grant_ids: Sequence[UUID]) -> list[Try]:
    payout, attempt = rewards.Payout, rewards.Attempt
    found = await session.execute(
        select(payout.grant_id, attempt.number, attempt.outcome, attempt.started_at, attempt.ended_at)
        .join(payout, payout.payout_id == attempt.payout_id)
        .where(payout.grant_id.in_(grant_ids))
        .order_by(attempt.started_at, attempt.number)
    )
    return [Try(*each) for each in found]


async def read_rooms(session: ReadSession, sale_ids: Iterable[str]) -> dict[str, RoomNow]:
    found = await session.execute(
        select(Room.sale_id, Room.frontier, Room.paused).where(Room.sale_id.in_(list(sale_ids)))
    )
    return {sale_id: RoomNow(frontier, paused) for sale_id, frontier, paused in found}


async def read_sold_out(session: ReadSession, sale_ids: Iterable[str]) -> set[str]:
    """The sales without a free unit of any item."""
    row = flashsale.Bucket
    found = await session.scalars(
        select(row.sale_id)
        .where(row.sale_id.in_(list(sale_ids)))
        .group_by(row.sale_id)
        .having(func.bool_and(row.taken >= row.total))
    )
    return set(found)


async def read_unjudged_sales(session: ReadSession, user_id: str) -> set[str]:
    """The sales in which a confirmation of the user still waits for its rewards to be worked out."""
    rows = outbox.table.c
    found = await session.scalars(
        select(rows.payload["sale_id"].astext)
        .where(rows.done_at.is_(None), rows.payload["user_id"].astext == user_id)
        .distinct()
    )
    return set(found)


async def find_users_by_phone(session: ReadSession, phone: str) -> list[str]:
    """Who reserved with exactly this phone, or is named by it; the newest first."""
    row = flashsale.Reservation
    found = await session.scalars(
        select(row.user_id)
        .where((row.phone == phone) | (row.user_id == phone))
        .group_by(row.user_id)
        .order_by(func.max(row.held_at).desc())
        .limit(USERS_FOUND_MAX)
    )
    return list(found)
