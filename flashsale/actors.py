"""Dramatiq actors of the room: doorbells that carry ids; the rows decide."""

from uuid import UUID

import dramatiq

from flashsale.payments import Payments


def declare(broker: dramatiq.Broker, payments: Payments) -> None:
    """Declares `refund_payment` on the queue `refunds`."""

    @dramatiq.actor(broker=broker, actor_name="refund_payment", queue_name="refunds")
    async def refund_payment(payment_id: str) -> None:
        await payments.refund(UUID(payment_id))
