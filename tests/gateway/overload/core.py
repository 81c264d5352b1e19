"""One core behind one event loop, simulated by the turn: reading and refusing take the same time that serving needs.

Not a test. A turn of the loop reads whatever can be read, then takes the batch under way one step further; a batch needs
several steps (limits, claim, transaction, commit), so its answers wait for as many turns. Each caller has one connection
and asks again as soon as it is answered, whatever the answer was. The clock is moved by the work that is done.
"""

from dataclasses import dataclass, field

from gateway.overload.gate import TICK_SECONDS, Gate
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings

# Of the core: a refusal takes 13 % of a service.
READ_SECONDS = 8e-6
REFUSE_SECONDS = 5e-6
SERVE_SECONDS = 92e-6
BATCH_STEPS = 6
STEP_SECONDS_MIN = 0.0005  # the stores' own time, while the core may do other things
BATCH_MAX = 512


@dataclass
class Second:
    """What happened in one second."""

    good: int = 0
    late: int = 0
    refused: int = 0
    limits: list[float] = field(default_factory=list)


class _Caller:
    """Waits for one answer, always."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self.asked_at = 0.0
        self.permit: Permit | None = None

    def let_in(self) -> None:
        self._core.entered.append(self)

    def turn_away(self) -> None:
        self._core.refuse(self)


class Core:
    """The loop, the gate and the callers."""

    def __init__(self, settings: OverloadSettings | None = None) -> None:
        self.time = 0.0
        self.settings = settings or OverloadSettings()
        self.gate = Gate(self.settings, now=lambda: self.time)
        self.entered: list[_Caller] = []
        self.seconds: list[Second] = []
        self._readable: list[_Caller] = []
        self._batch: list[_Caller] = []
        self._steps_left = 0
        self._tick_at = TICK_SECONDS
        self._leaving = 0

    def come(self, callers: int) -> None:
        """So many more callers, who ask at once and for ever."""
        for _ in range(callers):
            self._ask_again(_Caller(self))

    def go(self, callers: int) -> None:
        """So many of those who are there leave with their next answer."""
        self._leaving += callers

    def run(self, seconds: int) -> list[Second]:
        """What was seen in each of the next seconds."""
        began = int(self.time)
        while self.time < began + seconds:
            self._turn()
        return self.seconds[began : began + seconds]

    def refuse(self, caller: _Caller) -> None:
        self.time += REFUSE_SECONDS
        self._now().refused += 1
        self._ask_again(caller)

    def _now(self) -> Second:
        while len(self.seconds) <= int(self.time):
            self.seconds.append(Second())
        return self.seconds[int(self.time)]

    def _ask_again(self, caller: _Caller) -> None:
        if self._leaving:
            self._leaving -= 1
            return
        caller.asked_at = self.time
        self._readable.append(caller)

    def _turn(self) -> None:
        ends_not_before = self.time + STEP_SECONDS_MIN
        if self.time >= self._tick_at:
            self.gate.tick(self.time - self._tick_at)
            self._tick_at = self.time + TICK_SECONDS
            self._now().limits.append(self.gate.limiter.limit)
        readable, self._readable = self._readable, []
        for caller in readable:
            self._read(caller)
        self._step()
        self.time = max(self.time, ends_not_before)

    def _read(self, caller: _Caller) -> None:
        self.time += READ_SECONDS
        caller.permit = self.gate.enter(Priority.RESERVE)
        if caller.permit is not None:
            self.entered.append(caller)
            return
        caller.permit = self.gate.wait(Priority.RESERVE, caller)
        if caller.permit is None:
            self.refuse(caller)

    def _step(self) -> None:
        if not self._steps_left:
            self._batch, self.entered = self.entered[:BATCH_MAX], self.entered[BATCH_MAX:]
            self._steps_left = BATCH_STEPS if self._batch else 0
            return
        self.time += len(self._batch) * SERVE_SECONDS / BATCH_STEPS
        self._steps_left -= 1
        if not self._steps_left:
            for caller in self._batch:
                self._answer(caller)

    def _answer(self, caller: _Caller) -> None:
        assert caller.permit is not None
        now = self._now()
        if self.time - caller.asked_at <= self.settings.good_seconds:
            now.good += 1
        else:
            now.late += 1
        caller.permit.leave(Outcome.ANSWERED)
        self._ask_again(caller)
