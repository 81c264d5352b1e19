"""A store, simulated to the event: it serves in groups, as ours do, so that it gets more efficient as it gets slower.

Not a test. One server takes everything that waits (up to `batch_max`) as one group, which takes `group_seconds` plus
`each_seconds` for each member; `slowed_seconds` is added to every group while it is set. Callers come at an even rate.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.overload.gate import TICK_SECONDS, Gate
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings


@dataclass
class Seen:
    """What happened in one second."""

    offered: int = 0
    good: int = 0
    slowest_seconds: float = 0.0
    limits: list[float] = field(default_factory=list)


class _Waiter:
    """A caller that waits for a permit, and does not come back when it gets none."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.permit: Permit | None = None

    def let_in(self) -> None:
        assert self.permit is not None
        self._world.enter_after_waiting(self.permit)

    def turn_away(self) -> None:
        pass


class World:
    """The gate, the store and the callers, on one clock that jumps from event to event."""

    def __init__(
        self,
        settings: OverloadSettings | None = None,
        *,
        group_seconds: float = 0.003,
        each_seconds: float = 1 / 10_000,
        batch_max: int = 256,
        gated: bool = True,
    ) -> None:
        self.time = 0.0
        self.settings = settings or OverloadSettings()
        self.gate = Gate(self.settings, now=lambda: self.time)
        self.rates: dict[Priority, float] = {}
        self.slowed_seconds = 0.0
        self.each_seconds = each_seconds
        self._group_seconds, self._batch_max, self._gated = group_seconds, batch_max, gated
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._waiting: deque[Permit] = deque()
        self._busy = False
        self.seconds: list[dict[Priority, Seen]] = []
        self._at(TICK_SECONDS, self._tick)

    def run(self, seconds: float, **rates: float) -> list[dict[Priority, Seen]]:
        """What was seen in each of the next seconds, at these rates of arrival by priority."""
        began = len(self.seconds)
        ends = self.time + seconds
        for priority in Priority:
            fresh = self.rates.get(priority, 0.0) == 0.0
            self.rates[priority] = rates.get(priority.name.lower(), 0.0)
            if fresh and self.rates[priority]:
                self._at(self.time, lambda one=priority: self._arrive(one))  # type: ignore[misc]
        while self._events and self._events[0][0] <= ends:
            self.time, _, event = heapq.heappop(self._events)
            event()
        self.time = ends
        return self.seconds[began:]

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))

    def _now(self, priority: Priority) -> Seen:
        while len(self.seconds) <= int(self.time):
            self.seconds.append({one: Seen() for one in Priority})
        return self.seconds[int(self.time)][priority]

    def _tick(self) -> None:
        self.gate.tick(0.0)
        for priority in Priority:
            self._now(priority).limits.append(self.gate.limiter.limit)
        self._at(self.time + TICK_SECONDS, self._tick)

    def _arrive(self, priority: Priority) -> None:
        rate = self.rates[priority]
        if not rate:
            return
        self._at(self.time + 1 / rate, lambda: self._arrive(priority))
        self._now(priority).offered += 1
        if not self._gated:
            self._enter(Permit(self.gate, priority, self.time, None))
        elif permit := self.gate.enter(priority):
            self._enter(permit)
        else:
            waiter = _Waiter(self)
            waiter.permit = self.gate.wait(priority, waiter)

    def _enter(self, permit: Permit) -> None:
        self._waiting.append(permit)
        self._serve()

    def enter_after_waiting(self, permit: Permit) -> None:
        # In an event of its own: whoever made room is still being answered.
        self._at(self.time, lambda: self._enter(permit))

    def _serve(self) -> None:
        if self._busy or not self._waiting:
            return
        group = [self._waiting.popleft() for _ in range(min(self._batch_max, len(self._waiting)))]
        self._busy = True
        takes = self._group_seconds + self.slowed_seconds + len(group) * self.each_seconds
        self._at(self.time + takes, lambda: self._answer(group))

    def _answer(self, group: list[Permit]) -> None:
        for permit in group:
            seen, seconds = self._now(permit.priority), self.time - permit.came
            seen.slowest_seconds = max(seen.slowest_seconds, seconds)
            seen.good += seconds <= self.settings.good_seconds
            if self._gated:
                permit.leave(Outcome.ANSWERED)
        self._busy = False
        self._serve()
