"""Paying: a handle of the provider, what its notices lead to, and money back."""

from typing import Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from sqlalchemy import func, or_, select, text, update

from flashsale import metrics, models
from flashsale.confirmations import confirm, mark_refunded, record
from flashsale.errors import AlreadyPaid, HoldEnded, HoldExpired, ReservationUnknown
from flashsale.facts import PaymentFacts, PaymentHandle
from flashsale.readings import list_payments
from flashsale.settings import FlashsaleSettings
from flashsale.stock import Settlement, settle_calls
from kit.clock import rfc3339
from kit.doorbell import ring_user
from kit.errors import Unavailable
from kit.ids import new_id
from kit.lua import run_all
from kit.postgres import Postgres, WriteSession
from kit.provider import PaymentNotice, ProviderClient, ProviderRefused, ProviderUnknown

__all__ = ["PaymentFacts", "PaymentHandle", "Payments", "list_payments", "take_due_refunds"]

log = structlog.get_logger()

REFUND_RING_SECONDS: Final = 10.0  # longer than a worker's whole attempt, so that one ring is one attempt

_reservation, _payment = models.Reservation, models.Payment


class Payments:
    """The payment service of one process. Without `stock` a re-grant reaches Redis by the repair, seconds later."""

    def __init__(
        self,
        postgres: Postgres,
        provider: ProviderClient,
        bells: Redis,
        settings: FlashsaleSettings,
        *,
        stock: Redis | None = None,
    ) -> None:
        self._postgres, self._provider, self._bells = postgres, provider, bells
        self._settings, self._stock = settings, stock

    async def open_payment(self, reservation_id: UUID, user_id: str) -> PaymentHandle:
        """Where to pay for a hold; again, the same handle. What costs nothing is confirmed here and now.

        The row is durable before the provider hears of it, so no payment can come back that we do not know.
        Raises `ReservationUnknown`, `HoldExpired`, `HoldEnded`, `AlreadyPaid`, `Unavailable("provider")`.
        """
        async with self._postgres.unit_of_work() as session:
            reservation = await _lock_payable(session, reservation_id, user_id)
            payment = await _live_payment(session, reservation)
            if reservation.amount_minor == 0:
                payment.paid_at = func.now()
                await confirm(session, payment, reservation)
                session.after_commit(lambda: ring_user(self._bells, user_id))
            payment_id, state = payment.payment_id, payment.state
            amount_minor, currency, sku = reservation.amount_minor, reservation.currency, reservation.sku
        pay_url = ""
        if state == "created":
            pay_url = await self._ask_for_page(payment_id, amount_minor, currency, title=sku)
        return PaymentHandle(payment_id, reservation_id, pay_url, amount_minor, currency, state)

    async def _ask_for_page(self, payment_id: UUID, amount_minor: int, currency: str, *, title: str) -> str:
        body = {
            "payment_id": str(payment_id),
            "amount_minor": amount_minor,
            "currency": currency,
            "title": title,
        }
        try:
            answer = await self._provider.post("/payments", body, idempotency_key=str(payment_id))
            return str(answer["pay_url"])
        except (ProviderUnknown, ProviderRefused, KeyError) as error:
            # The row stands; the next click asks for the same payment again.
            log.warning("payment_not_opened", payment_id=str(payment_id), error=type(error).__name__)
            raise Unavailable("provider", retry_after_seconds=2.0) from error

    async def record_notice(self, session: WriteSession, notice: PaymentNotice) -> str:
        """Stores a notice of the provider and does what it asks for, once; a repeat changes nothing.

        Outcomes: confirmed, regranted, refund_due, refused, refunded, duplicate, unmatched.
        """
        outcome, user_id, settled = await record(session, notice)
        session.after_commit(lambda: _count(outcome))
        if settled is not None:
            session.after_commit(lambda: self._lower_stock(settled))
        if user_id is not None:
            session.after_commit(lambda: ring_user(self._bells, user_id))
        return outcome

    async def _lower_stock(self, settled: Settlement) -> None:
        if self._stock is not None:
            await run_all(self._stock, settle_calls([settled]))

    async def refund(self, payment_id: UUID) -> str:
        """Asks the provider to send the money of a due refund back; its key makes asking again harmless.

        Outcomes: refunded, unknown (asked again at the next ring), declined (a person must look), not_due.
        """
        outcome = await self._refund(payment_id)
        metrics.REFUND_ASKS.labels(outcome=outcome).inc()
        return outcome

    async def _refund(self, payment_id: UUID) -> str:
        async with self._postgres.read() as session:
            state = await session.scalar(select(_payment.state).where(_payment.payment_id == payment_id))
        if state != "refund_due":
            return "not_due"
        try:
            await self._provider.post(
                "/refunds", {"payment_id": str(payment_id)}, idempotency_key=f"refund-{payment_id}"
            )
        except ProviderUnknown:
            return "unknown"
        except ProviderRefused as error:
            log.warning("refund_declined", payment_id=str(payment_id), reason=error.reason)
            return "declined"
        async with self._postgres.unit_of_work() as session:
            found = await session.execute(
                select(_payment).where(_payment.payment_id == payment_id).with_for_update()
            )
            payment = found.scalar_one()
            if payment.state == "refund_due":
                mark_refunded(payment)
                user_id = payment.user_id
                session.after_commit(lambda: ring_user(self._bells, user_id))
        return "refunded"


async def take_due_refunds(session: WriteSession, batch_max: int) -> list[UUID]:
    """Up to `batch_max` refunds to ring for now; each is rung again only after `REFUND_RING_SECONDS`."""
    stale = func.now() - text(f"interval '{REFUND_RING_SECONDS:f} seconds'")
    due = (
        select(_payment.payment_id)
        .where(_payment.state == "refund_due")
        .where(or_(_payment.refund_ring_at.is_(None), _payment.refund_ring_at < stale))
        .order_by(_payment.refund_ring_at.nulls_first())
        .limit(batch_max)
        .with_for_update(skip_locked=True)
    )
    taken = await session.execute(
        update(_payment)
        .where(_payment.payment_id.in_(due.scalar_subquery()))
        .values(refund_ring_at=func.now())
        .returning(_payment.payment_id)
        .execution_options(synchronize_session=False)
    )
    return list(taken.scalars())


async def _lock_payable(session: WriteSession, reservation_id: UUID, user_id: str) -> models.Reservation:
    found = await session.execute(
        select(_reservation, _reservation.expires_at <= func.now())
        .where(_reservation.reservation_id == reservation_id, _reservation.user_id == user_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise ReservationUnknown(reservation_id=str(reservation_id))
    reservation, overdue = row
    if reservation.state == "confirmed":
        raise AlreadyPaid(reservation_id=str(reservation_id))
    if reservation.state == "released":
        raise HoldEnded(state="released")
    if reservation.state == "expired" or overdue:
        raise HoldExpired(expires_at=rfc3339(reservation.expires_at))
    return reservation


async def _live_payment(session: WriteSession, reservation: models.Reservation) -> models.Payment:
    """The open attempt of a reservation, or a new one; the reservation's lock keeps a second click out."""
    found = await session.execute(
        select(_payment).where(
            _payment.reservation_id == reservation.reservation_id,
            _payment.state.in_(("created", "paid")),
        )
    )
    live = found.scalar_one_or_none()
    if live is None:
        live = models.Payment(
            payment_id=new_id(),
            reservation_id=reservation.reservation_id,
            user_id=reservation.user_id,
            amount_minor=reservation.amount_minor,
            currency=reservation.currency,
            state="created",
        )
        session.add(live)
        await session.flush()
    return live


async def _count(outcome: str) -> None:
    metrics.PAYMENT_NOTICES.labels(outcome=outcome).inc()
