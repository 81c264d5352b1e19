"""What is due at the provider and is rung for on a schedule."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, text, update

from flashsale.models import Payment
from kit.postgres import WriteSession

REFUND_RING_SECONDS: Final = 10.0  # longer than a worker's whole attempt, so that one ring is one attempt


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
