"""Turns that wait: for a permit of the gate, for the limits, then for the batch that does what was asked.

One object a request, which is told by the gate that it may begin (if it had to wait), by the limits whether it may pass,
and by the room what came of it.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.lane.turns import Turn
from gateway.overload.priority import Outcome, Priority
from kit.errors import DomainError, Unavailable
from kit.web.languages import spoken_language
from queueing.limits.decisions import Decision
from queueing.limits.errors import refusal
from queueing.limits.policy import Check

if TYPE_CHECKING:
    from gateway.lane.protocol import LaneProtocol
    from gateway.lane.routes import Route
    from gateway.overload.permit import Permit

Said = TypeVar("Said")


class Answering(Turn, Generic[Said]):
    """A waiter of the gate, a sink of the limits and of a room. Subclasses say what is asked of the room, and write its
    answer."""

    permit: "Permit | None"
    __slots__ = ("asked_language", "began", "checks", "limits_told", "permit", "route")

    def __init__(self, route: "Route", connection: "LaneProtocol") -> None:
        # What `Turn` sets, without asking it to: this is made for every request that waits.
        self.answer = self.connection = self.permit = None
        self.closes = self.spoken = False
        self.route = route
        self.asked_language = connection.fields.get(b"accept-language")
        self.limits_told = b""  # header fields
        self.began = perf_counter()
        self.checks: Sequence[Check] = ()

    def enter_room(self) -> None:
        """Asks the room, once the limits let it."""
        raise NotImplementedError

    def written_answer(self, said: Said) -> tuple[str, bytes]:
        """The outcome to be counted, and the answer."""
        raise NotImplementedError

    def begin(
        self, connection: "LaneProtocol", priority: Priority, user_id: str, sku: str = ""
    ) -> bytes | Turn:
        """Sets out: the answer, if it is here at once."""
        route, gate = self.route, self.route.lane.gate
        self.permit = gate.enter(priority, self.be_late)
        if self.permit is None:
            self.permit = gate.wait(priority, self, self.be_late)
            if self.permit is None:
                return self._turned_away()
            # Now, because the fields of the connection will be another request's.
            self.checks = route.checks(connection, user_id, sku)
            return self
        self._set_out(route.checks(connection, user_id, sku))
        return self.answer or self

    def let_in(self) -> None:
        self._set_out(self.checks)

    def turn_away(self) -> None:
        self.give(self._turned_away())

    def _set_out(self, checks: Sequence[Check]) -> None:
        lane = self.route.lane
        if checks and lane.limits is not None:
            lane.limits.submit(checks, 1, self, scope=self.route.sale_id)
        else:
            self.enter_room()

    def _turned_away(self) -> bytes:
        route, lane = self.route, self.route.lane
        route.answers["temporary_reduced_capacity"] += 1
        return lane.refusals.answer(
            "temporary_reduced_capacity",
            spoken_language(self.asked_language),
            retry_after_seconds=lane.gate.retry_after_seconds(),
        )

    def tell(self, said: "Said | Decision") -> None:
        """The limits have decided, or the room has answered."""
        if not isinstance(said, Decision):
            self._end(Outcome.ANSWERED, *self.written_answer(said))
        elif not said.allowed:
            error = refusal(said)
            language = spoken_language(self.asked_language)
            self._end(Outcome.ANSWERED, error.code, self.route.lane.refusals.limited(error, language))
        elif not self.done():
            self.limits_told = self.route.lane.heads.limits(said)
            self.enter_room()

    def refuse(self, error: DomainError) -> None:
        lane = self.route.lane
        outcome = Outcome.FAILED if isinstance(error, Unavailable) else Outcome.ANSWERED
        self._end(outcome, error.code, lane.refusals.of(error, spoken_language(self.asked_language)))

    def be_late(self) -> None:
        """The deadline has passed: what was asked may be done, and a repeat of it reads the answer."""
        lane = self.route.lane
        language = spoken_language(self.asked_language)
        self._end(
            Outcome.LATE, "answer_late", lane.refusals.answer("answer_late", language, retry_after_seconds=1)
        )

    def leave(self) -> None:
        if self.permit is not None:
            self.permit.leave(Outcome.LEFT)

    def _end(self, outcome: Outcome, counted: str, answer: bytes) -> None:
        if self.answer is not None:
            return
        if self.permit is not None:
            self.permit.leave(outcome)
        self.route.answers[counted] += 1
        self.route.seconds.observe(perf_counter() - self.began)
        self.give(answer)
