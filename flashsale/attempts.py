"""Attempts to pay: a payment and its reservation under their locks, and how the lifecycle's states are kept in rows.

Locks are taken in one order: reservation, payment, bucket. Whoever changes a payment holds its reservation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from flashsale import models
from flashsale.states import FIRST_PAID, NEEDS_PEOPLE, Effect, Event, Hold, Money, State, Step
from kit.ids import new_id
from kit.postgres import WriteSession

_reservation, _payment = models.Reservation, models.Payment

_STORED: Final[Mapping[Money, str]] = {
    Money.OPEN: "created",
    Money.UNKNOWN: "created",
    Money.BLOCKED: "created",
    Money.FAILED: "refused",
    Money.SUPERSEDED: "refused",
    Money.SERVING: "paid",
    Money.REFUND_DUE: "refund_due",
    Money.REFUND_SENT: "refund_due",
    Money.REFUNDED: "refunded",
}
_ASKED_FOR: Final = frozenset({Money.OPEN, Money.UNKNOWN, Money.SUPERSEDED})
_SPEAKS_FOR_ITSELF: Final = frozenset({Money.OPEN, Money.SERVING})


@dataclass(frozen=True, slots=True)
class Attempt:
    """A payment and its reservation, both locked, and what they are together."""

    reservation: models.Reservation
    payment: models.Payment
    state: State


async def lock_attempt(session: WriteSession, payment_id: UUID) -> Attempt | None:
    """The attempt, locked until the caller's transaction ends, as its last holder left it; None if nobody made it."""
    reservation_id = await session.scalar(
        select(_payment.reservation_id).where(_payment.payment_id == payment_id)
    )
    if reservation_id is None:
        return None
    reservation = await lock_reservation(session, reservation_id)
    payment = await session.get_one(_payment, payment_id, with_for_update=True, populate_existing=True)
    return Attempt(reservation, payment, await _read_state(session, reservation, payment))


async def lock_reservation(session: WriteSession, reservation_id: UUID) -> models.Reservation:
    """The row, locked until the caller's transaction ends, as its last holder left it."""
    return await session.get_one(_reservation, reservation_id, with_for_update=True, populate_existing=True)


async def _read_state(
    session: WriteSession, reservation: models.Reservation, payment: models.Payment
) -> State:
    hold = Hold(reservation.state)
    bought = hold is Hold.CONFIRMED
    if hold in {Hold.RELEASED, Hold.EXPIRED}:
        regrant = select(_reservation.reservation_id).where(
            _reservation.regrant_of == reservation.reservation_id
        )
        bought = await session.scalar(regrant) is not None
    return State(hold, read_money(payment, bought=bought), bought)


def read_money(payment: models.Payment | None, *, bought: bool) -> Money:
    """What a payment's row says, given whether its reservation has bought something."""
    if payment is None:
        return Money.NONE
    match payment.state, payment.reason:
        case ("created" | "refused", reason) if reason == NEEDS_PEOPLE:
            return Money.BLOCKED if bought or payment.state == "created" else Money.FAILED
        case "created", _ if bought:
            return Money.SUPERSEDED
        case "created", reason:
            return Money.UNKNOWN if reason == "unanswered" else Money.OPEN
        case "refused", reason:
            return Money.SUPERSEDED if reason == "superseded" else Money.FAILED
        case "refund_due", _:
            return Money.REFUND_DUE if payment.refund_ring_at is None else Money.REFUND_SENT
        case state, _:
            return {"paid": Money.SERVING, "refunded": Money.REFUNDED}[state]


async def read_live(session: WriteSession, reservation: models.Reservation) -> models.Payment | None:
    """The attempt of a locked reservation that a click is led to, if there is one."""
    found = await session.execute(
        select(_payment)
        .where(
            _payment.reservation_id == reservation.reservation_id,
            _payment.state.in_(("created", "paid")),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.scalar_one_or_none()


async def add_payment(session: WriteSession, reservation: models.Reservation) -> models.Payment:
    """A new attempt; the reservation's lock keeps a second click out."""
    payment = models.Payment(
        payment_id=new_id(),
        reservation_id=reservation.reservation_id,
        user_id=reservation.user_id,
        amount_minor=reservation.amount_minor,
        currency=reservation.currency,
        state="created",
    )
    session.add(payment)
    await session.flush()
    return payment


def write_step(attempt: Attempt, event: Event, led: Step) -> None:
    """Puts where a step led into the rows of its attempt; times are PostgreSQL's."""
    reservation, payment, state = attempt.reservation, attempt.payment, led.state
    if state.hold is not attempt.state.hold:
        reservation.state, reservation.end_reason, reservation.ended_at = state.hold.value, "paid", func.now()
    if event in FIRST_PAID and payment.paid_at is None:
        payment.paid_at = func.now()
    if state.money is Money.BLOCKED and state.bought:
        payment.state = "refused"  # the live one is the payment that bought
    else:
        payment.state = _STORED[state.money]
    if state.money is Money.REFUNDED and attempt.state.money is not Money.REFUNDED:
        payment.refunded_at = func.now()
    if state.money not in _ASKED_FOR:
        payment.ask_at = None
    if Effect.CALL_PEOPLE in led.effects:
        payment.reason = NEEDS_PEOPLE
    elif state.money is not attempt.state.money:
        payment.reason = None if state.money in _SPEAKS_FOR_ITSELF else led.reason or payment.reason
