"""The waiting room as its callers see it: join, be admitted, show the admission.

One ticket a user, strict first come, first served. Admitting and verifying read memory alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import Clock, rfc3339
from kit.errors import DomainError
from kit.ids import new_id
from kit.redis import is_away
from kit.signing import Keyring, as_bytes
from kit.sinks import Sink, Waiter
from queueing import metrics, store
from queueing.admissions import AdmissionFacts, read_admission, sign_admission
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
from queueing.tickets import TicketFacts, read_ticket, sign_ticket

log = structlog.get_logger()

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

    async def join(self, sale_id: str, user_id: str) -> Ticket:
        """The user's one ticket; asking again gives the same place.

        Raises `RoomUnknown`, `TooEarly`, `SaleOver`, `QueueUnavailable` (asking again is harmless: no place is
        lost and none is given twice).
        """
        waiter: Waiter[Ticket] = Waiter()
        self.submit_join(sale_id, user_id, waiter)
        return await waiter

    def submit_join(self, sale_id: str, user_id: str, sink: Sink[Ticket]) -> None:
        """Like `join`, for callers that do not wait: the sink is told, or refused with what `join` raises."""
        try:
            view = self._board.view(sale_id)
        except DomainError as error:
            sink.refuse(error)
            return
        now = self._clock.now()
        state = room_state(view, now)
        if state == "scheduled":
            opens_at = view.prequeue_at or view.opens_at
            wait = (opens_at - now).total_seconds()
            sink.refuse(TooEarly(retry_after_seconds=wait, sale_id=sale_id, opens_at=rfc3339(view.opens_at)))
        elif state == "ended":
            sink.refuse(_over(view))
        else:
            self._joins.submit(sale_id, user_id, _Place(self, view, user_id, sink).answer)

    def admit(self, sale_id: str, user_id: str, ticket_token: str) -> Admission:
        """An admission for whoever's turn has come; no I/O.

        Raises `RoomUnknown`, `QueueUnavailable` (before the first view), `TicketInvalid`, `SaleOver`, `NotYourTurn`
        (before the start too) with the seconds after which asking again makes sense.
        """
        judged = self.judge(sale_id, user_id, as_bytes(ticket_token))
        if isinstance(judged, DomainError):
            raise judged
        return judged

    def judge(self, sale_id: str, user_id: str, ticket_token: bytes) -> Admission | DomainError:
        """Like `admit`, with the refusal as an answer: most of those who ask are told to wait."""
        try:
            view = self._board.view(sale_id)
        except DomainError as error:
            return error
        now = self._clock.now()
        ticket = read_ticket(self._keyring, ticket_token, sale_id=sale_id, user_id=user_id)
        if isinstance(ticket, str):
            metrics.admissions.counts["ticket_invalid"] += 1
            return TicketInvalid(ticket)
        if now >= view.closes_at:
            metrics.admissions.counts["over"] += 1
            return _over(view)
        if now < view.opens_at or ticket.position >= view.frontier:
            metrics.admissions.counts["not_your_turn"] += 1
            return NotYourTurn(
                retry_after_seconds=seconds_until_turn(view, ticket.position, now),
                position=ticket.position,
                frontier=view.frontier,
            )
        metrics.admissions.counts["admitted"] += 1
        return self._admission(ticket, min(now + self._admission_time(), view.closes_at))

    def verify_admission(self, token: str) -> AdmissionFacts:
        """What an admission says; no I/O. Raises `AdmissionInvalid`."""
        found = self.check_admission(as_bytes(token))
        if isinstance(found, str):
            raise AdmissionInvalid(found)
        return found

    def check_admission(self, token: bytes) -> AdmissionFacts | str:
        """Like `verify_admission`, with the reason of a refusal as an answer."""
        found = read_admission(self._keyring, token, self._clock.seconds())
        if isinstance(found, str):
            metrics.refused_admissions.counts[found] += 1
        return found

    def place_given(
        self, view: RoomView, user_id: str, answer: store.JoinAnswer | Exception
    ) -> Ticket | DomainError:
        """What Redis said, as the answer to whoever asked for a place."""
        if isinstance(answer, Exception):
            if not isinstance(answer, QueueUnavailable) and not is_away(answer):
                log.error("join_failed", error=type(answer).__name__)
            metrics.joins.counts["unavailable"] += 1
            return QueueUnavailable()
        metrics.joins.counts[answer.outcome] += 1
        if answer.outcome == "over":
            return _over(view)
        if answer.outcome not in {"first", "again"}:
            return QueueUnavailable()
        facts = TicketFacts(view.sale_id, user_id, answer.position)
        return Ticket(sign_ticket(self._keyring, facts), answer.position, answer.outcome == "first")

    async def find_place(self, sale_id: str, user_id: str) -> int | None:
        """See `find_place`."""
        return await find_place(self._queue, sale_id, user_id)

    def _admission_time(self) -> timedelta:
        return timedelta(seconds=self._settings.admission_seconds)

    def _admission(self, ticket: TicketFacts, expires_at: datetime) -> Admission:
        admission_id, until = new_id(), expires_at.replace(microsecond=0)
        facts = AdmissionFacts(
            ticket.sale_id, ticket.user_id, admission_id.bytes, ticket.position, int(until.timestamp())
        )
        return Admission(sign_admission(self._keyring, facts), admission_id, until, ticket.position)


class _Place:
    """Who asked for a place, until Redis has answered."""

    __slots__ = ("_room", "_sink", "_user_id", "_view")

    def __init__(self, room: WaitingRoom, view: RoomView, user_id: str, sink: Sink[Ticket]) -> None:
        self._room, self._view, self._user_id, self._sink = room, view, user_id, sink

    def answer(self, given: store.JoinAnswer | Exception) -> None:
        outcome = self._room.place_given(self._view, self._user_id, given)
        if isinstance(outcome, Ticket):
            self._sink.tell(outcome)
        else:
            self._sink.refuse(outcome)


def _over(view: RoomView) -> SaleOver:
    return SaleOver(sale_id=view.sale_id, closes_at=rfc3339(view.closes_at))


async def find_place(queue: Redis, sale_id: str, user_id: str) -> int | None:
    """The position Redis remembers for a user, for the desk. Raises `QueueUnavailable`."""
    try:
        return await store.find_place(queue, sale_id, user_id)
    except (RedisError, OSError) as error:
        raise QueueUnavailable from error
