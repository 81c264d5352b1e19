"""The hot routes of one sale, each answered from what the connection has parsed: bytes at once, or a turn.

`serve` gives None for what only the app can answer in full (a body of another form, a missing key). What is refused and
in which order is the app's: the form of the body, the credentials, the form of the rest, then the room's own reasons.
"""

from typing import TYPE_CHECKING, Final

from flashsale.facts import Admitted, Reserved, ReserveRequest
from flashsale.rules import Wish
from gateway.lane import bodies, metrics
from gateway.lane.answering import Answering
from gateway.lane.turns import Turn
from gateway.limiting import Asker
from gateway.metrics import REFUSED_TOKENS
from gateway.overload.priority import Priority
from kit.errors import DomainError
from kit.identity import Identity
from kit.ids import uuid_of
from queueing.errors import AdmissionInvalid
from queueing.limits.policy import Check
from queueing.service import Admission, Ticket

if TYPE_CHECKING:
    from gateway.lane.lane import Lane
    from gateway.lane.protocol import LaneProtocol

_POST: Final = frozenset({b"POST"})


class Route:
    """One address."""

    methods = _POST

    def __init__(self, lane: "Lane", sale_id: str, name: str) -> None:
        self.lane, self.sale_id, self.name = lane, sale_id, name
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

    def checks(self, connection: "LaneProtocol", user_id: str, sku: str) -> list[Check]:
        """The limits that this request is under."""
        limiting = self.lane.limiting
        if limiting is None:
            return []
        asker = Asker(self.name, self.sale_id, user_id, connection.client, connection.headers, sku)
        return limiting.checks(asker)

    def user(self, connection: "LaneProtocol") -> Identity | bytes:
        """Who is asking, or the refusal."""
        lane = self.lane
        try:
            found = lane.tokens.find(connection.fields, lane.clock.seconds())
        except DomainError as error:
            return self.refuse(connection, error)
        if isinstance(found, Identity):
            return found
        return self.refuse_token(
            connection, "user", found, "token_missing" if found == "missing" else "token_invalid"
        )

    def refuse_token(self, connection: "LaneProtocol", kind: str, reason: str, code: str) -> bytes:
        REFUSED_TOKENS.row(kind)[reason] += 1
        self.answers[code] += 1
        return self.lane.refusals.answer(code, self.lane.language(connection.fields))


class _Joining(Answering[Ticket]):
    __slots__ = ("user_id",)

    def __init__(self, route: Route, connection: "LaneProtocol", user_id: str) -> None:
        super().__init__(route, connection)
        self.user_id = user_id

    def enter_room(self) -> None:
        self.route.lane.waiting_room.submit_join(self.route.sale_id, self.user_id, self)

    def written_answer(self, said: Ticket) -> tuple[str, bytes]:
        return "first" if said.first else "again", self.route.lane.heads.ticket(said, self.limits_told)


class _Reserving(Answering[Reserved]):
    __slots__ = ("wish",)

    def __init__(self, route: Route, connection: "LaneProtocol", wish: Wish) -> None:
        super().__init__(route, connection)
        self.wish = wish

    def enter_room(self) -> None:
        self.route.lane.reservations.enter(self.wish, self)

    def written_answer(self, said: Reserved) -> tuple[str, bytes]:
        outcome = "replayed" if said.replayed else "reserved"
        return outcome, self.route.lane.heads.reserved(said, self.limits_told)


class Tickets(Route):
    """POST …/tickets"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        user = self.user(connection)
        if not isinstance(user, Identity):
            return user
        turn = _Joining(self, connection, user.user_id)
        return turn.begin(connection, Priority.JOIN, user.user_id)


class Admissions(Route):
    """POST …/admissions"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        wish = bodies.read_admission(connection.fields, connection.body)
        if wish is None:
            return None
        user = self.user(connection)
        if not isinstance(user, Identity):
            return user
        given = self.lane.waiting_room.judge(self.sale_id, user.user_id, wish.ticket.encode())
        if not isinstance(given, Admission):
            return self.refuse(connection, given)
        self.answers["admitted"] += 1
        return self.lane.heads.admission(given)


class Reservations(Route):
    """POST …/reservations"""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        fields = connection.fields
        wish = bodies.read_reservation(fields, connection.body)
        if wish is None:
            return None
        token = bodies.read_bearer(fields)
        if token is None:
            return self.refuse_token(connection, "admission", "missing", "admission_missing")
        admission = self.lane.waiting_room.check_admission(token)
        if isinstance(admission, str):
            return self.refuse_token(connection, "admission", admission, AdmissionInvalid.code)
        if admission.sale_id != self.sale_id:
            return self.refuse_token(connection, "admission", "foreign", "admission_foreign")
        key = bodies.read_key(fields)
        if key is None:
            return None
        prepared = self.lane.reservations.prepare(
            ReserveRequest(
                Admitted(
                    self.sale_id, admission.user_id, uuid_of(admission.admission_id), admission.position
                ),
                wish.sku,
                wish.quantity,
                key,
                wish.phone,
            )
        )
        if isinstance(prepared, DomainError):
            return self.refuse(connection, prepared)
        turn = _Reserving(self, connection, prepared)
        return turn.begin(connection, Priority.RESERVE, admission.user_id, wish.sku)
