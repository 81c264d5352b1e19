"""What the provider says about a payment, and what that leads to: the lifecycle decides, here it is written.

Every sum of money ends as a confirmed reservation or a refund: never neither, never both.
"""

from dataclasses import dataclass, replace

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from flashsale import models
from flashsale.attempts import Attempt, lock_attempt, read_money, write_step
from flashsale.events import RESERVATION_CONFIRMED, ReservationConfirmed, outbox
from flashsale.lifecycle import step
from flashsale.regrants import regrant, seek_units
from flashsale.states import Effect, Event, Outcome
from flashsale.stock import Settlement
from flashsale.words import Word
from kit.postgres import WriteSession

log = structlog.get_logger()

_payment, _notice = models.Payment, models.PaymentNotice

Sum = tuple[int, str]  # amount in minor units, currency


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a word about a payment: whose it is, and what Redis must be told once that is durable."""

    outcome: Outcome
    user_id: str | None = None
    settlement: Settlement | None = None


async def record(session: WriteSession, word: Word) -> Followed:
    """Stores a word of the provider and does what it asks for, once."""
    stored = await session.execute(
        insert(_notice)
        .values(
            event_id=word.event_id,
            payment_id=word.payment_id,
            kind=word.kind,
            outcome="received",
            amount_minor=word.amount_minor,
            currency=word.currency,
        )
        .on_conflict_do_nothing()
        .returning(_notice.event_id)
    )
    if stored.one_or_none() is None:
        return Followed("duplicate")
    followed = await _follow(session, word)
    await session.execute(
        update(_notice).where(_notice.event_id == word.event_id).values(outcome=followed.outcome)
    )
    return followed


async def _follow(session: WriteSession, word: Word) -> Followed:
    attempt = await lock_attempt(session, word.payment_id)
    if attempt is None:
        log.error("payment_notice_unmatched", payment_id=str(word.payment_id), kind=word.kind)
        return Followed("unmatched")
    heard_before = await _first_success(session, word) if word.kind == "payment.succeeded" else None
    return await follow(session, attempt, read_event(word, attempt.payment, heard_before))


def read_event(word: Word, payment: models.Payment, heard_before: Sum | None) -> Event:
    """What a word means for a payment of whose success, with that sum, was heard before, if at all."""
    if word.kind == "payment.refused":
        return Event.REFUSED
    if word.kind == "refund.succeeded":
        return Event.REFUNDED
    paid = (word.amount_minor, word.currency)
    if heard_before is not None:
        return Event.PAID_AGAIN if paid == heard_before else Event.PAID_OTHERWISE
    if word.currency != payment.currency:
        return Event.PAID_CURRENCY
    if word.amount_minor == payment.amount_minor:
        return Event.PAID
    return Event.PAID_PART if word.amount_minor < payment.amount_minor else Event.PAID_MORE


async def _first_success(session: WriteSession, word: Word) -> Sum | None:
    """The sum of the success that was heard of first; the payment's lock orders those who tell."""
    found = await session.execute(
        select(_notice.amount_minor, _notice.currency)
        .where(
            _notice.payment_id == word.payment_id,
            _notice.kind == "payment.succeeded",
            _notice.event_id != word.event_id,
        )
        .order_by(_notice.received_at)
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else (row.amount_minor, row.currency)


async def follow(session: WriteSession, attempt: Attempt, event: Event) -> Followed:
    """Takes the step of an event and writes all that it asks for, in the caller's transaction."""
    led, served, settlement = step(attempt.state, event), attempt.reservation, None
    if Effect.SEEK_UNITS in led.effects:
        sought = await seek_units(session, attempt.reservation)
        led = step(led.state, sought.event)
        if Effect.TAKE_UNITS in led.effects:
            served, settlement = await regrant(session, attempt.reservation, sought.item)
    if Effect.SUPERSEDE_OTHERS in led.effects:
        await _supersede_others(session, attempt)
    write_step(attempt, event, led)
    if Effect.ANNOUNCE in led.effects:
        attempt.payment.serves = served.reservation_id
        await _announce(session, served)
    if Effect.CALL_PEOPLE in led.effects:
        log.error("payment_needs_people", payment_id=str(attempt.payment.payment_id), event_was=event)
    await session.flush()
    return Followed(led.outcome, attempt.payment.user_id, settlement)


async def _supersede_others(session: WriteSession, attempt: Attempt) -> None:
    """Closes another open attempt, so that this one may be the live one; if that one is paid too, it is refunded."""
    found = await session.execute(
        select(_payment)
        .where(
            _payment.reservation_id == attempt.reservation.reservation_id,
            _payment.payment_id != attempt.payment.payment_id,
            _payment.state == "created",
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for other in found.scalars():
        stood = replace(attempt.state, money=read_money(other, bought=attempt.state.bought))
        write_step(
            Attempt(attempt.reservation, other, stood), Event.OTHER_BOUGHT, step(stood, Event.OTHER_BOUGHT)
        )
    await session.flush()


async def _announce(session: WriteSession, served: models.Reservation) -> None:
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
