"""What the tests of paying share: a provider that fails as told, its notices, readings of what they led to."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from flashsale import models
from flashsale.events import RESERVATION_CONFIRMED, ReservationConfirmed, outbox
from flashsale.facts import PaymentFacts, PaymentHandle, Reservation
from flashsale.payments import Payments, list_payments
from flashsale.readings import get_reservation
from flashsale.upkeep import expire_due
from kit.postgres import Postgres
from kit.provider import PaymentNotice
from tests.flashsale.scenes import Shop


class Provider:
    """Answers like the provider, or fails as told; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fails_with: Exception | None = None
        self.answers: dict[str, Any] | None = None  # what it says of a payment it is asked about

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        self.asked.append((path, idempotency_key))
        if self.fails_with is not None:
            raise self.fails_with
        return {"payment_id": body["payment_id"], "pay_url": f"/pay/{body['payment_id']}", "state": "ok"}

    async def get(self, path: str) -> dict[str, Any] | None:
        self.asked.append((path, ""))
        if self.fails_with is not None:
            raise self.fails_with
        return self.answers


def a_notice(handle: PaymentHandle, kind: str = "payment.succeeded", **changes: Any) -> PaymentNotice:
    fields = {
        "event_id": uuid4().hex,
        "type": kind,
        "payment_id": handle.payment_id,
        "amount_minor": handle.amount_minor,
        "currency": handle.currency,
        "occurred_at": datetime.now(UTC),
    }
    return PaymentNotice(**(fields | changes))


async def tell(payments: Payments, postgres: Postgres, notice: PaymentNotice) -> str:
    async with postgres.unit_of_work() as session:
        return await payments.record_notice(session, notice)


async def expire(shop: Shop, reservation_id: UUID) -> None:
    await shop.overdue(reservation_id)
    async with shop.postgres.unit_of_work() as session:
        await expire_due(session, shop.stock, batch_max=100)


async def read(shop: Shop, reservation_id: UUID) -> Reservation:
    async with shop.postgres.read() as session:
        return await get_reservation(session, reservation_id, None)


async def payments_of(shop: Shop, user_id: str) -> list[PaymentFacts]:
    async with shop.postgres.read() as session:
        found = await list_payments(session, user_id)
        of_sale = await session.execute(
            select(models.Reservation.reservation_id).where(models.Reservation.sale_id == shop.sale_id)
        )
        ids = set(of_sale.scalars())
    return [payment for payment in found if payment.reservation_id in ids]


async def events_of(shop: Shop) -> list[ReservationConfirmed]:
    async with shop.postgres.read() as session:
        rows = await session.execute(
            select(outbox.table.c.payload).where(
                outbox.table.c.kind == RESERVATION_CONFIRMED,
                outbox.table.c.payload["sale_id"].astext == shop.sale_id,
            )
        )
        return [ReservationConfirmed.parse(payload) for payload in rows.scalars()]


Held = SimpleNamespace
