"""What is due at the provider and is rung for on a schedule."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, text, update

from flashsale.models import Payment, Reservation
from flashsale.states import NEEDS_PEOPLE
from kit.postgres import ReadSession, WriteSession

REFUND_RING_SECONDS: Final = 10.0  # longer than a worker's whole attempt, so that one ring is one attempt
# A payment is asked for again when it has become twice as old: a dozen questions in a day for one that nobody pays.
ASK_SECONDS_MIN: Final = 15.0  # the migration's default for the first question: notices take a second or two
ASK_SECONDS_MAX: Final = 3600.0
# Counted from the end of the hold. A provider that has not answered by then will not do so by itself.
ASK_SECONDS_IN_ALL: Final = 24 * 3600.0


async def take_due_refunds(session: WriteSession, batch_max: int) -> list[UUID]:
    """Up to `batch_max` refunds to ring for now; each is rung again only after `REFUND_RING_SECONDS`."""
    stale = func.now() - text(f"interval '{REFUND_RING_SECONDS:f} seconds'")
    due = (
        select(Payment.payment_id)
        .where(Payment.state == "refund_due")
        .where(or_(Payment.refund_ring_at.is_(None), Payment.refund_ring_at < stale))
        .order_by(Payment.refund_ring_at.nulls_first())
        .limit(batch_max)
        .with_for_update(skip_locked=True)
    )
    taken = await session.execute(
        update(Payment)
        .where(Payment.payment_id.in_(due.scalar_subquery()))
        .values(refund_ring_at=func.now())
        .returning(Payment.payment_id)
        .execution_options(synchronize_session=False)
    )
    return list(taken.scalars())


async def take_due_asks(session: WriteSession, batch_max: int) -> list[UUID]:
    """Up to `batch_max` payments to ask the provider about now, each put off by its age, so that a lost ring costs that."""
    age = func.extract("epoch", func.now() - Payment.created_at)
    wait = func.least(func.greatest(age, ASK_SECONDS_MIN), ASK_SECONDS_MAX)
    due = (
        select(Payment.payment_id)
        .where(Payment.ask_at <= func.now())
        .order_by(Payment.ask_at)
        .limit(batch_max)
        .with_for_update(skip_locked=True)
    )
    taken = await session.execute(
        update(Payment)
        .where(Payment.payment_id.in_(due.scalar_subquery()))
        .values(ask_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, wait))
        .returning(Payment.payment_id)
        .execution_options(synchronize_session=False)
    )
    return list(taken.scalars())


async def is_asked_in_vain(session: ReadSession, payment_id: UUID) -> bool:
    """Whether a payment has been asked for as long as it is worth while, by PostgreSQL's clock."""
    ended = func.greatest(Payment.created_at, Reservation.expires_at)
    given_up = ended + text(f"interval '{ASK_SECONDS_IN_ALL:f} seconds'") <= func.now()
    found = await session.scalar(
        select(given_up)
        .join(Reservation, Reservation.reservation_id == Payment.reservation_id)
        .where(Payment.payment_id == payment_id)
    )
    return bool(found)


async def count_needing_people(session: ReadSession) -> int:
    """How many payments wait for people."""
    found = await session.scalar(
        select(func.count()).select_from(Payment).where(Payment.reason == text(f"'{NEEDS_PEOPLE}'"))
    )
    return int(found or 0)
