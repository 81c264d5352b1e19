"""A permit: the right to be under way, or the place of one who waits for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.overload.priority import Outcome, Priority

if TYPE_CHECKING:
    from gateway.overload.anteroom import Waiter
    from gateway.overload.gate import Gate


class Permit:
    """`leave` once, waiting or under way; whatever comes later is ignored."""

    __slots__ = ("_gate", "came", "entered", "on_deadline", "priority", "waiter")

    def __init__(
        self,
        gate: "Gate",
        priority: Priority,
        came: float,
        on_deadline: Callable[[], None] | None,
        waiter: "Waiter | None" = None,
    ) -> None:
        self._gate: Gate | None = gate
        self.priority = priority
        self.came = self.entered = came  # its caller's time counts from the one, the stores' from the other
        self.on_deadline = on_deadline
        self.waiter = waiter

    @property
    def held(self) -> bool:
        """Whether it is under way: let in, and `leave` still to come."""
        return self._gate is not None and self.waiter is None

    def leave(self, outcome: Outcome) -> None:
        """Gives the permit back, with how the request ended."""
        gate = self._gate
        if gate is None:
            return
        self._gate = self.on_deadline = None
        if self.waiter is not None:
            self.waiter = None
            gate.anteroom.waiting -= 1
            return
        gate.in_flight -= 1
        priority = self.priority
        gate.ended[priority][outcome] += 1
        if outcome == 0:
            now = gate.now()
            if now - self.came <= gate.good_seconds:
                gate.good[priority] += 1
            entered = self.entered
            if entered >= gate.window_began:
                gate.answers[priority] += 1
                gate.seconds[priority] += now - entered
        if gate.anteroom.waiting:
            gate.let_in()

    def begin(self, now: float) -> None:
        """It is under way from now on, and who has waited for it is told."""
        waiter, self.waiter, self.entered = self.waiter, None, now
        if waiter is not None:
            waiter.let_in()

    def void(self) -> None:
        """Nobody waits for it any more, and who did is told."""
        waiter, self.waiter = self.waiter, None
        self._gate = self.on_deadline = None
        if waiter is not None:
            waiter.turn_away()
