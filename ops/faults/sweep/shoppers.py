"""The shoppers of a trial: they ask, write down what they were told, and ask again under the same key until they know.

What they wrote down outlives the process, and is the witness that the judge hears.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import structlog
from standardwebhooks.webhooks import Webhook

from flashsale.errors import SoldOut
from flashsale.facts import Admitted, PaymentFacts, Reserved, ReserveRequest
from flashsale.payments import list_payments
from flashsale.rules import home_bucket
from kit.clock import rfc3339
from kit.errors import DomainError
from kit.provider import PaymentNotice, read_notice
from ops.faults.sweep.process import SaleProcess
from ops.faults.sweep.scene import BUCKETS, SKU

log = structlog.get_logger()

Answer = TypeVar("Answer")

ASKS_MAX: Final = 12
ASK_AGAIN_SECONDS: Final = 0.05
# "Not now": the same question is asked again. Anything else a room says is an answer.
_NOT_NOW: Final = frozenset(
    {"unavailable", "in_progress", "not_your_turn", "provider_unknown", "queue_unavailable"}
)


class Shoppers:
    """Everybody who is outside: shoppers, and the provider's webhooks. `unanswered` is what nobody ever learnt."""

    def __init__(self, process: SaleProcess, sale_id: str, history: str) -> None:
        self._process, self._sale_id = process, sale_id
        self._history = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._places: dict[str, Admitted] = {}
        self.unanswered: list[str] = []

    async def ask(
        self, what: str, question: Callable[[], Awaitable[Answer]], *, asks_max: int = ASKS_MAX
    ) -> Answer | DomainError | None:
        """The answer, or the refusal; None when there was none however often it was asked."""
        trouble: Exception | None = None
        for _ in range(asks_max):
            try:
                return await question()
            except DomainError as refusal:
                if refusal.code not in _NOT_NOW:
                    return refusal
                trouble = refusal
            except Exception as error:  # noqa: BLE001 - what a door answers with 500; whoever asked knows nothing
                trouble = error
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        log.warning("never_answered", what=what, error=type(trouble).__name__, said=str(trouble))
        self.unanswered.append(f"{what}: {type(trouble).__name__}")
        return None

    def person(self, name: str) -> str:
        """Who `name` is in this sale: of all who might be, the first whose home is the bucket that it is in every trial (by
        the length of the name). A chain whose shoppers moved house would have other steps each time."""
        wanted = len(name) % BUCKETS
        people = (f"{name}-{number}-{self._sale_id}" for number in count())
        return next(person for person in people if home_bucket(person, BUCKETS) == wanted)

    async def queue_up(self, names: list[str]) -> None:
        """Lets everybody in: they join in one crowd, and the frontier passes them."""
        await self._process.rooms.refresh()
        tickets = await asyncio.gather(
            *(self.ask(f"join {name}", partial(self._join, name)) for name in names)
        )
        await self.ask("frontier", lambda: self._process.duties.run("frontier"))
        await self._process.rooms.refresh()
        for name, ticket in zip(names, tickets, strict=True):
            if isinstance(ticket, str):
                await self.ask(f"admit {name}", partial(self._admit, name, ticket))

    async def _join(self, name: str) -> str:
        user = self.person(name)
        asked_at = self._process.clock.now().timestamp()
        ticket = await self._process.waiting_room.join(self._sale_id, user)
        self._tell(user, "joined", position=ticket.position, asked_at=asked_at)
        return ticket.token

    async def _admit(self, name: str, ticket: str) -> None:
        user = self.person(name)
        admission = self._process.waiting_room.admit(self._sale_id, user, ticket)
        self._tell(user, "admitted", position=admission.position)
        self._places[name] = Admitted(self._sale_id, user, admission.admission_id, admission.position)

    async def reserve(self, name: str) -> Reserved | None:
        """One unit, under the shopper's one key."""
        place = self._places.get(name)
        if place is None:
            return None
        request = ReserveRequest(place, SKU, 1, f"key-{name}", "13800008000")
        told = await self.ask(f"reserve {name}", lambda: self._process.reservations.reserve(request))
        user, facts = self.person(name), {"sku": SKU, "quantity": 1, "key": request.idempotency_key}
        if isinstance(told, Reserved):
            self._tell(user, "reserved", reservation_id=str(told.reservation.reservation_id), **facts)
            return told
        if isinstance(told, SoldOut):
            self._tell(user, "refused", code="sold_out", **facts)
        return None

    async def release(self, name: str, reservation_id: UUID) -> None:
        user = self.person(name)

        async def give_back() -> None:
            async with self._process.postgres.unit_of_work() as session:
                await self._process.reservations.release(session, reservation_id, user)

        if not isinstance(await self.ask(f"release {name}", give_back), DomainError):
            self._tell(user, "released", reservation_id=str(reservation_id))

    async def open_payment(self, name: str, reservation_id: UUID) -> None:
        """What is already paid, or over, is answered too."""
        user = self.person(name)
        await self.ask(
            f"open_payment {name}", lambda: self._process.payments.open_payment(reservation_id, user)
        )

    async def payments(self, name: str) -> list[PaymentFacts]:
        """What the shopper's own page shows of payments."""
        async with self._process.postgres.read() as session:
            return await list_payments(session, self.person(name))

    async def pay(
        self, name: str, payment: PaymentFacts, *, amount_minor: int | None = None, notice_lost: bool = False
    ) -> None:
        """Pays at the provider, whose webhook says so, or says another amount, or never arrives."""
        answer = await self._process.provider_pages.post(
            f"/pay/{payment.payment_id}", json={"outcome": "succeed", "webhook_delay_ms": 0}
        )
        if not answer.is_success:
            return  # the provider has not heard of it yet: its page was never opened
        if notice_lost:
            return
        told = await self.ask(f"webhook {name}", lambda: self._deliver(payment, amount_minor))
        if told == "confirmed":
            self._tell(self.person(name), "confirmed", reservation_id=str(payment.reservation_id))

    async def _deliver(self, payment: PaymentFacts, amount_minor: int | None) -> str:
        now, secret = self._process.clock.now(), self._process.webhook_secret
        event_id = f"evt-{payment.payment_id}"
        body = msgspec.json.encode(
            {
                "event_id": event_id,
                "type": "payment.succeeded",
                "payment_id": payment.payment_id,
                "amount_minor": amount_minor or payment.amount_minor,
                "currency": payment.currency,
                "occurred_at": rfc3339(now),
            }
        )
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(event_id, now, body.decode()),
        }
        notice = read_notice(secret, headers, body, PaymentNotice)
        async with self._process.postgres.unit_of_work() as session:
            return await self._process.payments.record_notice(session, notice)

    def _tell(self, user: str, what: str, **facts: Any) -> None:
        line = {"at": self._process.clock.now().timestamp(), "user": user, "what": what, **facts}
        os.write(self._history, msgspec.json.encode(line) + b"\n")
