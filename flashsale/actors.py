"""Dramatiq actors of the room: doorbells that carry ids; the rows decide."""

import dramatiq

from flashsale.payments import Payments
from kit.actors import declare_actor


def declare(broker: dramatiq.Broker, payments: Payments) -> None:
    """Declares `refund_payment` on the queue `refunds` and `ask_payment` on the queue `payments`."""
    declare_actor(broker, name="refund_payment", queue="refunds", argument="payment_id", act=payments.refund)
    declare_actor(broker, name="ask_payment", queue="payments", argument="payment_id", act=payments.ask)
