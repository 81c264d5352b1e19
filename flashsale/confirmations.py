"""What a provider's notice about a payment leads to. Every sum of money ends as a confirmed reservation or a refund:
never neither, never both.

Locks are taken in one order: reservation, payment, item.
"""

from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from flashsale import models
from flashsale.events import RESERVATION_CONFIRMED, ReservationConfirmed, outbox
from flashsale.ledger import lock_items, take_units
from flashsale.rules import late_payment
from flashsale.stock import Settlement
from kit.ids import new_id
from kit.postgres import WriteSession
from kit.provider import PaymentNotice

log = structlog.get_logger()

# A key that no client can send (keys have no spaces), so that a re-grant never meets one.
REGRANT_KEY: Final = "regrant {}"

_reservation, _payment = models.Reservation, models.Payment


async def record(session: WriteSession, notice: PaymentNotice) -> tuple[str, str | None, Settlement | None]:
    """Stores a notice and does what it asks for, once: its outcome, whose it is, and what Redis must then be told."""
    stored = await session.execute(
        insert(models.PaymentNotice)
        .values(
            event_id=notice.event_id,
            payment_id=notice.payment_id,
            kind=notice.type,
            outcome="received",
            amount_minor=notice.amount_minor,
            currency=notice.currency,
        )
        .on_conflict_do_nothing()
        .returning(models.PaymentNotice.event_id)
    )
    if stored.one_or_none() is None:
        return "duplicate", None, None
    outcome, user_id, settled = await _follow(session, notice)
    await session.execute(
        update(models.PaymentNotice)
        .where(models.PaymentNotice.event_id == notice.event_id)
        .values(outcome=outcome)
    )
    return outcome, user_id, settled


async def _follow(session: WriteSession, notice: PaymentNotice) -> tuple[str, str | None, Settlement | None]:
    reservation_id = await session.scalar(
        select(_payment.reservation_id).where(_payment.payment_id == notice.payment_id)
    )
    if reservation_id is None:
        log.error("payment_notice_unmatched", payment_id=str(notice.payment_id), kind=notice.type)
        return "unmatched", None, None
    reservation = await lock_reservation(session, reservation_id)
    payment = await _lock_payment(session, notice.payment_id)
    settled = None
    if notice.type == "payment.refused":
        outcome = _refused(payment)
    elif notice.type == "refund.succeeded":
        outcome = _refunded(payment)
    else:
        outcome, settled = await _succeeded(session, notice, payment, reservation)
    await session.flush()
    return outcome, payment.user_id, settled


async def lock_reservation(session: WriteSession, reservation_id: UUID) -> models.Reservation:
    """The row, locked until the caller's transaction ends, as its last holder left it."""
    found = await session.execute(
        select(_reservation)
        .where(_reservation.reservation_id == reservation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.scalar_one()


async def _lock_payment(session: WriteSession, payment_id: UUID) -> models.Payment:
    found = await session.execute(
        select(_payment)
        .where(_payment.payment_id == payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.scalar_one()


def _refused(payment: models.Payment) -> str:
    if payment.state != "created":
        return "duplicate"  # what is paid or superseded is not undone by an older refusal
    payment.state, payment.reason = "refused", "provider_refused"
    return "refused"


def _refunded(payment: models.Payment) -> str:
    if payment.state == "refunded":
        return "duplicate"
    if payment.state != "refund_due":
        # Money that confirms a reservation went back without our asking: people must look.
        log.error("refund_unexpected", payment_id=str(payment.payment_id), state=payment.state)
        return "unmatched"
    mark_refunded(payment)
    return "refunded"


def mark_refunded(payment: models.Payment) -> None:
    payment.state = "refunded"
    payment.refunded_at = func.now()


async def _succeeded(
    session: WriteSession, notice: PaymentNotice, payment: models.Payment, reservation: models.Reservation
) -> tuple[str, Settlement | None]:
    if payment.state not in {"created", "refused"}:
        return "duplicate", None
    payment.paid_at = func.now()
    if (notice.amount_minor, notice.currency) != (payment.amount_minor, payment.currency):
        return _owe_refund(payment, "amount_mismatch"), None
    if await _served_already(session, reservation):
        return _owe_refund(payment, "second_payment"), None
    if reservation.state == "held":
        await _supersede_others(session, payment)
        await confirm(session, payment, reservation)
        return "confirmed", None
    return await _serve_late(session, payment, reservation)


async def _served_already(session: WriteSession, reservation: models.Reservation) -> bool:
    if reservation.state == "confirmed":
        return True
    regrant = select(_reservation.reservation_id).where(_reservation.regrant_of == reservation.reservation_id)
    return await session.scalar(regrant) is not None


def _owe_refund(payment: models.Payment, reason: str) -> str:
    payment.state, payment.reason = "refund_due", reason
    return "refund_due"


async def _supersede_others(session: WriteSession, payment: models.Payment) -> None:
    """Closes another open attempt, so that this one may be the live one; if that one is paid too, it is refunded."""
    await session.execute(
        update(_payment)
        .where(
            _payment.reservation_id == payment.reservation_id,
            _payment.payment_id != payment.payment_id,
            _payment.state == "created",
        )
        .values(state="refused", reason="superseded")
    )


async def confirm(session: WriteSession, payment: models.Payment, reservation: models.Reservation) -> None:
    """Confirms a hold with the money of `payment`: the row, the payment and the event in one transaction."""
    reservation.state, reservation.end_reason = "confirmed", "paid"
    reservation.ended_at = func.now()
    await _serve(session, payment, reservation)


async def _serve(session: WriteSession, payment: models.Payment, served: models.Reservation) -> None:
    payment.state, payment.reason, payment.serves = "paid", None, served.reservation_id
    event = ReservationConfirmed(
        reservation_id=served.reservation_id,
        sale_id=served.sale_id,
        sku=served.sku,
        user_id=served.user_id,
        quantity=served.quantity,
        amount_minor=served.amount_minor,
        currency=served.currency,
    )
    await outbox.write(session, RESERVATION_CONFIRMED, event.payload())


async def _serve_late(
    session: WriteSession, payment: models.Payment, ended: models.Reservation
) -> tuple[str, Settlement | None]:
    """Money for a hold that has ended: new units if there are any for this user, else the money back."""
    name = (ended.sale_id, ended.sku)
    item = (await lock_items(session, [name]))[name]
    owned = await session.scalar(
        select(func.coalesce(func.sum(_reservation.quantity), 0)).where(
            _reservation.sale_id == ended.sale_id,
            _reservation.sku == ended.sku,
            _reservation.user_id == ended.user_id,
            _reservation.state.in_(("held", "confirmed")),
        )
    )
    verdict = late_payment(ended.quantity, item=item, owned=int(owned or 0))
    if verdict != "regrant":
        return _owe_refund(payment, verdict), None
    await take_units(session, [(*name, ended.quantity)])
    await _supersede_others(session, payment)
    regrant = await _regrant(session, ended, item.epoch)
    await _serve(session, payment, regrant)
    return "regranted", Settlement(
        *name, f"regrant-{ended.reservation_id}", regrant.reservation_id,
        ended.user_id, ended.quantity, item.epoch,
    )  # fmt: skip


async def _regrant(session: WriteSession, ended: models.Reservation, epoch: int) -> models.Reservation:
    now = func.now()
    regrant = models.Reservation(
        reservation_id=new_id(),
        sale_id=ended.sale_id,
        sku=ended.sku,
        user_id=ended.user_id,
        quantity=ended.quantity,
        amount_minor=ended.amount_minor,
        currency=ended.currency,
        state="confirmed",
        end_reason="late_payment",
        held_at=now,
        expires_at=now,
        ended_at=now,
        idempotency_key=REGRANT_KEY.format(ended.reservation_id),
        request_fingerprint=ended.request_fingerprint,
        admission_id=ended.admission_id,
        admission_position=ended.admission_position,
        epoch=epoch,
        phone=ended.phone,
        regrant_of=ended.reservation_id,
    )
    session.add(regrant)
    return regrant
