"""Paying: a handle of the provider, what its notices lead to, and money back."""

from uuid import UUID

import structlog
from redis.asyncio import Redis
from sqlalchemy import func, select

from flashsale import metrics, models
from flashsale.attempts import Attempt, add_payment, lock_attempt, read_live, read_money
from flashsale.confirmations import Followed, follow, record
from flashsale.dues import is_asked_in_vain
from flashsale.errors import AlreadyPaid, HoldEnded, HoldExpired, ReservationUnknown
from flashsale.facts import PaymentFacts, PaymentHandle
from flashsale.lifecycle import step
from flashsale.readings import list_payments
from flashsale.settings import FlashsaleSettings
from flashsale.states import Effect, Event, Hold, Outcome, State
from flashsale.stock import Settlement, settle_calls
from flashsale.words import read_answer, read_notice
from kit.clock import rfc3339
from kit.doorbell import ring_user
from kit.errors import Unavailable
from kit.lua import run_all
from kit.postgres import Postgres, WriteSession
from kit.provider import PaymentNotice, ProviderClient, ProviderRefused, ProviderUnknown

__all__ = ["PaymentFacts", "PaymentHandle", "Payments", "list_payments"]

log = structlog.get_logger()

_reservation = models.Reservation


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
            reservation, hold = await _lock_hold(session, reservation_id, user_id)
            payment = await read_live(session, reservation)
            bought = hold is Hold.CONFIRMED
            led = step(State(hold, read_money(payment, bought=bought), bought), Event.OPENED)
            _refuse(led.outcome, reservation)
            if payment is None:
                payment = await add_payment(session, reservation)
            if reservation.amount_minor == 0:
                await follow(session, Attempt(reservation, payment, led.state), Event.PAID)
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

        Outcomes: confirmed, regranted, refund_due, refused, refunded, duplicate, unmatched, needs_people.
        """
        followed = await record(session, read_notice(notice))
        session.after_commit(lambda: _count(followed.outcome))
        return self._tell(session, followed)

    def _tell(self, session: WriteSession, followed: Followed) -> str:
        """What Redis and the shopper hear of it, once it is durable."""
        if (settlement := followed.settlement) is not None:
            session.after_commit(lambda: self._lower_stock(settlement))
        if (user_id := followed.user_id) is not None:
            session.after_commit(lambda: ring_user(self._bells, user_id))
        return followed.outcome

    async def _lower_stock(self, settled: Settlement) -> None:
        if self._stock is not None:
            await run_all(self._stock, settle_calls([settled]))

    async def ask(self, payment_id: UUID) -> str:
        """Asks the provider what became of a payment it has told us nothing of, and does what it says.

        Outcomes: those of `record_notice`; asked_again and abandoned while nobody has paid; nothing.
        """
        try:
            word = read_answer(payment_id, await self._provider.get(f"/payments/{payment_id}"))
            silence = Event.UNPAID, Event.UNPAID_FOR_LONG
        except (ProviderUnknown, ProviderRefused) as error:
            log.warning("payment_not_answered_for", payment_id=str(payment_id), reason=error.reason)
            word, silence = None, (Event.UNANSWERED, Event.UNANSWERED_FOR_LONG)
        async with self._postgres.unit_of_work() as session:
            if word is not None:
                followed = await record(session, word)
            elif (attempt := await lock_attempt(session, payment_id)) is not None:
                event = silence[await is_asked_in_vain(session, payment_id)]
                followed = await follow(session, attempt, event)
            else:
                return "unmatched"
            session.after_commit(lambda: _count_ask(followed.outcome))
            return self._tell(session, followed)

    async def refund(self, payment_id: UUID) -> str:
        """Asks the provider to send the money of a due refund back; its key makes asking again harmless.

        Outcomes: refunded, unknown (asked again at the next ring), declined (a person must look), not_due.
        """
        outcome = await self._refund(payment_id)
        metrics.REFUND_ASKS.labels(outcome=outcome).inc()
        return outcome

    async def _refund(self, payment_id: UUID) -> str:
        async with self._postgres.unit_of_work() as session:
            attempt = await lock_attempt(session, payment_id)
            if attempt is None or Effect.SEND_REFUND not in step(attempt.state, Event.REFUND_RUNG).effects:
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
            attempt = await lock_attempt(session, payment_id)
            assert attempt is not None
            followed = await follow(session, attempt, Event.REFUNDED)
            if followed.outcome == "refunded" and (user_id := followed.user_id) is not None:
                session.after_commit(lambda: ring_user(self._bells, user_id))
        return "refunded"


async def _lock_hold(
    session: WriteSession, reservation_id: UUID, user_id: str
) -> tuple[models.Reservation, Hold]:
    """The user's reservation, locked; a hold that is overdue can be paid no more than one that has expired."""
    found = await session.execute(
        select(_reservation, _reservation.expires_at <= func.now())
        .where(_reservation.reservation_id == reservation_id, _reservation.user_id == user_id)
        .with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise ReservationUnknown(reservation_id=str(reservation_id))
    reservation, overdue = row
    hold = Hold(reservation.state)
    return reservation, Hold.EXPIRED if hold is Hold.HELD and overdue else hold


def _refuse(outcome: Outcome, reservation: models.Reservation) -> None:
    match outcome:
        case "already_paid":
            raise AlreadyPaid(reservation_id=str(reservation.reservation_id))
        case "hold_ended":
            raise HoldEnded(state=reservation.state)
        case "hold_expired":
            raise HoldExpired(expires_at=rfc3339(reservation.expires_at))


async def _count_ask(outcome: str) -> None:
    metrics.PAYMENT_ASKS.labels(outcome=outcome).inc()


async def _count(outcome: str) -> None:
    metrics.PAYMENT_NOTICES.labels(outcome=outcome).inc()
