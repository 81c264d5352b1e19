"""The waiting room as its callers see it: join, be admitted, show the admission.

One ticket a user, strict first come, first served. Admitting and verifying read memory alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import Clock, rfc3339
from kit.ids import new_id
from kit.redis import is_away
from kit.signing import Keyring
from queueing import metrics, store
from queueing.admissions import AdmissionFacts, open_admission, sign_admission
from queueing.batches import JoinBatches
from queueing.board import RoomBoard
from queueing.errors import (
    AdmissionInvalid,
    NotYourTurn,
    QueueUnavailable,
    SaleOver,
    TicketInvalid,
    TooEarly,
)
from queueing.rules import RoomView, queue_document, room_state, seconds_until_turn
from queueing.settings import QueueingSettings
from queueing.tickets import TicketFacts, open_ticket, sign_ticket

__all__ = [
    "Admission",
    "AdmissionFacts",
    "RoomBoard",
    "RoomView",
    "Ticket",
    "WaitingRoom",
    "find_place",
    "queue_document",
]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the waiting room; `first` tells the call that made it from those that asked again."""

    token: str
    position: int
    first: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to buy until `expires_at`."""

    token: str
    admission_id: UUID
    expires_at: datetime
    position: int


class WaitingRoom:
    """The public face of the room."""

    def __init__(
        self, queue: Redis, board: RoomBoard, keyring: Keyring, clock: Clock, settings: QueueingSettings
    ) -> None:
        self._queue = queue
        self._joins = JoinBatches(queue)
        self._board = board
        self._keyring = keyring
        self._clock = clock
        self._settings = settings
        self._seen: dict[str, int] = {}  # a sale's highest position given to this process, plus one

    async def join(self, sale_id: str, user_id: str) -> Ticket:
        """The user's one ticket; asking again gives the same place.

        Raises `RoomUnknown`, `TooEarly`, `SaleOver`, `QueueUnavailable` (asking again is harmless: no place is
        lost and none is given twice).
        """
        view, now = self._board.view(sale_id), self._clock.now()
        state = room_state(view, now)
        if state == "scheduled":
            opens_at = view.prequeue_at or view.opens_at
            raise TooEarly(
                retry_after_seconds=(opens_at - now).total_seconds(),
                sale_id=sale_id,
                opens_at=rfc3339(view.opens_at),
            )
        if state == "ended":
            raise _over(view)
        answer = await self._ask_for_place(sale_id, user_id)
        metrics.joins.labels(answer.outcome).inc()
        if answer.outcome == "over":
            raise _over(view)
        if answer.outcome not in {"first", "again"}:
            raise QueueUnavailable
        self._seen[sale_id] = max(self._seen.get(sale_id, 0), answer.position + 1)
        facts = TicketFacts(sale_id, user_id, answer.position)
        return Ticket(sign_ticket(self._keyring, facts), answer.position, answer.outcome == "first")

    def admit(self, sale_id: str, user_id: str, ticket_token: str) -> Admission:
        """An admission for whoever's turn has come; no I/O.

        Raises `RoomUnknown`, `QueueUnavailable` (before the first view), `TicketInvalid`, `SaleOver`, `NotYourTurn`
        (before the start too) with the seconds after which asking again makes sense.
        """
        view, now = self._board.view(sale_id), self._clock.now()
        try:
            ticket = open_ticket(self._keyring, ticket_token, sale_id=sale_id, user_id=user_id)
        except TicketInvalid:
            metrics.admissions.labels("ticket_invalid").inc()
            raise
        if now >= view.closes_at:
            metrics.admissions.labels("over").inc()
            raise _over(view)
        if now < view.opens_at or ticket.position >= view.frontier:
            metrics.admissions.labels("not_your_turn").inc()
            raise NotYourTurn(
                retry_after_seconds=seconds_until_turn(view, ticket.position, now),
                position=ticket.position,
                frontier=view.frontier,
            )
        metrics.admissions.labels("admitted").inc()
        return self._admission(ticket, min(now + self._admission_time(), view.closes_at))

    def verify_admission(self, token: str) -> AdmissionFacts:
        """What an admission says; no I/O. Raises `AdmissionInvalid`."""
        try:
            return open_admission(self._keyring, token, self._clock.now())
        except AdmissionInvalid as error:
            metrics.refused_admissions.labels(error.reason).inc()
            raise

    async def find_place(self, sale_id: str, user_id: str) -> int | None:
        """See `find_place`."""
        return await find_place(self._queue, sale_id, user_id)

    def _admission_time(self) -> timedelta:
        return timedelta(seconds=self._settings.admission_seconds)

    def _admission(self, ticket: TicketFacts, expires_at: datetime) -> Admission:
        facts = AdmissionFacts(
            sale_id=ticket.sale_id,
            user_id=ticket.user_id,
            admission_id=new_id(),
            position=ticket.position,
            expires_at=expires_at.replace(microsecond=0),
        )
        token = sign_admission(self._keyring, facts)
        return Admission(token, facts.admission_id, facts.expires_at, facts.position)

    async def _ask_for_place(self, sale_id: str, user_id: str) -> store.JoinAnswer:
        try:
            return await self._joins.join(sale_id, user_id, seen=self._seen.get(sale_id, 0))
        except (RedisError, OSError) as error:
            if not is_away(error):
                raise
            metrics.joins.labels("unavailable").inc()
            raise QueueUnavailable from error


def _over(view: RoomView) -> SaleOver:
    return SaleOver(sale_id=view.sale_id, closes_at=rfc3339(view.closes_at))


async def find_place(queue: Redis, sale_id: str, user_id: str) -> int | None:
    """The position Redis remembers for a user, for the desk. Raises `QueueUnavailable`."""
    try:
        return await store.find_place(queue, sale_id, user_id)
    except (RedisError, OSError) as error:
        raise QueueUnavailable from error
