"""The hot routes of one sale, each answered from what the connection has parsed: bytes at once, or a turn.

`serve` gives None for what only the app can answer in full (a body of another form, a missing key). What is refused and
in which order is the app's: the form of the body, the credentials, the form of the rest, then the room's own reasons.
"""

from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Final

from flashsale.facts import Admitted, Reserved, ReserveRequest
from gateway.lane import bodies, metrics
from gateway.lane.turns import Turn
from gateway.metrics import REFUSED_TOKENS
from kit.errors import DomainError
from kit.identity import Identity
from queueing.errors import AdmissionInvalid
from queueing.service import Admission, Ticket

if TYPE_CHECKING:
    from gateway.lane.lane import Lane
    from gateway.lane.protocol import LaneProtocol

_POST: Final = frozenset({b"POST"})
_refused_tokens: Final = lru_cache(maxsize=64)(
    REFUSED_TOKENS.labels
)  # finding the counter costs more than counting


class Route:
    """One address."""

    methods = _POST

    def __init__(self, lane: "Lane", sale_id: str, name: str) -> None:
        self.lane, self.sale_id = lane, sale_id
        self.answers = metrics.ANSWERS.row(name)
        self.seconds = metrics.SECONDS.row(name)

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        """The answer, or who will give it; None where the app must be asked."""
        raise NotImplementedError

    def refuse(self, connection: "LaneProtocol", error: DomainError) -> bytes:
        """A refusal without I/O."""
        self.answers[error.code] += 1
        lane = self.lane
        return lane.refusals.of(error, lane.language(connection.fields))

    def user(self, connection: "LaneProtocol") -> Identity | bytes:
        """Who is asking, or the refusal."""
        lane = self.lane
        try:
            found = lane.tokens.find(connection.fields, lane.clock.now())
        except DomainError as error:
            return self.refuse(connection, error)
        if isinstance(found, Identity):
            return found
        return self.refuse_token(
            connection, "user", found, "token_missing" if found == "missing" else "token_invalid"
        )

    def refuse_token(self, connection: "LaneProtocol", kind: str, reason: str, code: str) -> bytes:
        _refused_tokens(kind, reason).inc()
        self.answers[code] += 1
        return self.lane.refusals.answer(code, self.lane.language(connection.fields))


class Answering(Turn):
    """A turn that waits for a batch."""

    __slots__ = ("began", "language_asked", "route")

    def __init__(self, route: Route, connection: "LaneProtocol") -> None:
        super().__init__()
        self.route = route
        self.language_asked = connection.fields.get(b"accept-language")
        self.began = perf_counter()

    def refuse(self, error: DomainError) -> None:
        self.end_as(error.code)
        lane = self.route.lane
        self.give(lane.refusals.of(error, lane.language_of(self.language_asked)))

    def end_as(self, outcome: str) -> None:
        self.route.answers[outcome] += 1
        self.route.seconds.observe(perf_counter() - self.began)


class _Joining(Answering):
    __slots__ = ()

    def tell(self, ticket: Ticket) -> None:
        self.end_as("first" if ticket.first else "again")
        self.give(self.route.lane.heads.ticket(ticket))


class _Reserving(Answering):
    __slots__ = ()

    def tell(self, reserved: Reserved) -> None:
        self.end_as("replayed" if reserved.replayed else "reserved")
        self.give(self.route.lane.heads.reserved(reserved))


class Tickets(Route):
    """POST …/tickets"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        user = self.user(connection)
        if not isinstance(user, Identity):
            return user
        turn = _Joining(self, connection)
        self.lane.waiting_room.submit_join(self.sale_id, user.user_id, turn)
        return turn.answer or turn


class Admissions(Route):
    """POST …/admissions"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        wish = bodies.read_body(bodies.ADMISSION, connection.fields, connection.body)
        if wish is None:
            return None
        user = self.user(connection)
        if not isinstance(user, Identity):
            return user
        given = self.lane.waiting_room.judge(self.sale_id, user.user_id, wish.ticket)
        if not isinstance(given, Admission):
            return self.refuse(connection, given)
        self.answers["admitted"] += 1
        return self.lane.heads.admission(given)


class Reservations(Route):
    """POST …/reservations"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        fields = connection.fields
        wish = bodies.read_body(bodies.RESERVATION, fields, connection.body)
        if wish is None:
            return None
        token = bodies.read_bearer(fields)
        if token is None:
            return self.refuse_token(connection, "admission", "missing", "admission_missing")
        admission = self.lane.waiting_room.check_admission(token)
        if isinstance(admission, AdmissionInvalid):
            return self.refuse_token(connection, "admission", admission.reason, admission.code)
        if admission.sale_id != self.sale_id:
            return self.refuse_token(connection, "admission", "foreign", "admission_foreign")
        key = bodies.read_key(fields)
        if key is None:
            return None
        turn = _Reserving(self, connection)
        self.lane.reservations.submit(
            ReserveRequest(
                Admitted(self.sale_id, admission.user_id, admission.admission_id, admission.position),
                wish.sku,
                wish.quantity,
                key,
                wish.phone,
            ),
            turn,
        )
        return turn.answer or turn
