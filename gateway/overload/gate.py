"""The gate in front of everything that takes work: a permit, or at once a refusal.

Two calls a request, `enter` and `leave`, each well under a microsecond: counters are plain integers that a tick
carries into the metrics, the clock is read once in each, and one sweep serves all deadlines. What is answered in the
same breath from memory needs no permit: refusing it would cost as much as answering it.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.overload import metrics
from gateway.overload.brownout import Brownout
from gateway.overload.limiter import CLASSES, Limiter, Window
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings

TICK_SECONDS: Final = 0.05
WINDOW_SECONDS_MIN: Final = 0.1  # hundreds of answers at the rates that matter
WINDOW_SECONDS_MAX: Final = 1.0  # a store that stands still is noticed within it, or within ...
STILL_ROUND_TRIPS: Final = 3.0  # ... so many of its round trips when it was slow already
ANSWERS_MIN: Final = 16  # a mean of fewer is noise; the window goes on
ROUND_TRIPS: Final = 2.0  # a window must see what its own limit led to, not the one before
# Of the limit, how much each priority may fill: the rest is kept for those above it (trunk reservation).
SHARES: Final = {Priority.RESERVE: 1.0, Priority.JOIN: 0.8, Priority.BROWSE: 0.5}
# Paying and confirming end work that has been paid for with everything before it: they are refused only when memory
# is at stake, a quarter beyond what all others together may ever fill.
PAY_SHARE_OF_MAX: Final = 1.25
RETRY_SECONDS_MIN: Final = 2
RETRY_SECONDS_MAX: Final = 30
COMPACT_MIN: Final = 1024  # below it, keeping the finished among the watched costs nothing


class Permit:
    """The right to be under way. `leave` once; whatever comes later is ignored."""

    __slots__ = ("_gate", "entered", "on_deadline", "priority")

    def __init__(
        self, gate: "Gate", priority: Priority, entered: float, on_deadline: Callable[[], None] | None
    ) -> None:
        self._gate: Gate | None = gate
        self.priority = priority
        self.entered = entered
        self.on_deadline = on_deadline

    @property
    def held(self) -> bool:
        """Whether `leave` is still to come."""
        return self._gate is not None

    def leave(self, outcome: Outcome) -> None:
        """Gives the permit back, with how the request ended."""
        gate = self._gate
        if gate is None:
            return
        self._gate = self.on_deadline = None
        gate.in_flight -= 1
        priority = self.priority
        gate.ended[priority][outcome] += 1
        if outcome == 0:
            seconds = gate.now() - self.entered
            if seconds <= gate.good_seconds:
                gate.good[priority] += 1
            if self.entered >= gate.window_began:
                gate.answers[priority] += 1
                gate.seconds[priority] += seconds


class Gate:
    """The permits of one process. `run` keeps its limit, its deadlines and its metrics up to date."""

    def __init__(
        self, settings: OverloadSettings | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        settings = settings or OverloadSettings()
        self.now = now
        self.good_seconds, self.deadline_seconds = settings.good_seconds, settings.deadline_seconds
        self.limiter = Limiter(
            target_seconds=settings.target_seconds,
            start=settings.limit_start,
            lowest=settings.limit_min,
            highest=settings.limit_max,
        )
        self.brownout = Brownout(settings.lag_seconds_max)
        self._pay_room = math.ceil(settings.limit_max * PAY_SHARE_OF_MAX)
        self.in_flight = 0
        self.refused = [0] * CLASSES
        self.ended = [[0] * len(Outcome) for _ in range(CLASSES)]
        self.good = [0] * CLASSES
        self.window_began = now()
        self.answers = [0] * CLASSES
        self.seconds = [0.0] * CLASSES
        self._refused_before = 0
        self._mean_before = 0.0
        self._watched: deque[Permit] = deque()
        self._retry_spread = float(RETRY_SECONDS_MIN)
        self._counts = metrics.Counts()
        self.room = self._rooms()

    def enter(self, priority: Priority, on_deadline: Callable[[], None] | None = None) -> Permit | None:
        """A permit, or None when this priority is refused now. `on_deadline` is called if it is still held then."""
        if self.in_flight >= self.room[priority]:
            self.refused[priority] += 1
            return None
        self.in_flight += 1
        permit = Permit(self, priority, self.now(), on_deadline)
        if on_deadline is not None:
            self._watched.append(permit)
        return permit

    def retry_after_seconds(self) -> int:
        """When one of those refused should come again: spread so widely that they come back at a bearable rate."""
        return 1 + int(random.random() * self._retry_spread)  # noqa: S311 - spreads a crowd, hides nothing

    async def run(self) -> None:
        """Until cancelled: measures the loop's lag, moves the limit, ends what is late, counts."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self.tick(max(0.0, loop.time() - due))

    def tick(self, lag_seconds: float) -> None:
        """One step of `run`."""
        metrics.LOOP_LAG.observe(lag_seconds)
        level = self.brownout.level
        now = self.now()
        if self.brownout.observe(lag_seconds) != level or self._end_window(now):
            self.room = self._rooms()
        self._end_late(now)
        self._counts.carry(self)

    def _end_window(self, now: float) -> bool:
        elapsed, answers = now - self.window_began, sum(self.answers)
        mean = sum(self.seconds) / answers if answers else 0.0
        enough = answers >= ANSWERS_MIN and elapsed >= max(WINDOW_SECONDS_MIN, ROUND_TRIPS * mean)
        if not enough and elapsed < max(WINDOW_SECONDS_MAX, STILL_ROUND_TRIPS * max(mean, self._mean_before)):
            return False
        self._mean_before = mean or self._mean_before
        refused = sum(self.refused)
        newly_refused, self._refused_before = refused - self._refused_before, refused
        self.limiter.observe(Window(elapsed, self.answers, self.seconds, newly_refused, self.in_flight))
        spread = RETRY_SECONDS_MIN * (1 + newly_refused / max(1, answers))
        self._retry_spread = min(float(RETRY_SECONDS_MAX), spread)
        self.window_began, self.answers, self.seconds = now, [0] * CLASSES, [0.0] * CLASSES
        return True

    def _end_late(self, now: float) -> None:
        watched, late = self._watched, now - self.deadline_seconds
        while watched and (not watched[0].held or watched[0].entered <= late):
            permit = watched.popleft()
            on_deadline = permit.on_deadline
            if on_deadline is not None:
                permit.leave(Outcome.LATE)
                on_deadline()
        if len(watched) > COMPACT_MIN + 2 * self.in_flight:
            # One that takes long holds up the finished behind it, and with each its request.
            self._watched = deque(permit for permit in watched if permit.held)

    def _rooms(self) -> tuple[int, ...]:
        rooms = [self._pay_room] * CLASSES
        for priority, share in SHARES.items():
            put_off = self.brownout.puts_off(priority)
            rooms[priority] = 0 if put_off else max(1, int(self.limiter.limit * share))
        return tuple(rooms)
