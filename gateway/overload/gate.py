"""The gate in front of everything that takes work: a permit, or a place in the anteroom, or a refusal.

Two calls a request while nobody waits, `enter` and `leave`, each well under a microsecond: counters are plain integers
that a tick carries into the metrics, the clock is read once in each, and one sweep serves all deadlines. For whom `enter`
has no room, `wait` has a place; each `leave` lets the next one in. What is answered in the same breath from memory needs
no permit: refusing it would cost as much as answering it.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from gateway.overload import metrics
from gateway.overload.anteroom import PATIENCE_SHARES, Anteroom, Waiter
from gateway.overload.brownout import Brownout
from gateway.overload.limiter import CLASSES, Limiter, Window
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings

log = structlog.get_logger()

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
# Of the good time, waiting may take what twice the measured mean under way leaves of it; never more than the first share,
# because the loop needs its time too, and never less than the second, so that there are always some to let in.
FRESH_SHARE_MAX: Final = 0.5
FRESH_SHARE_MIN: Final = 0.1


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
        self.anteroom = Anteroom(
            settings.waiting_max, FRESH_SHARE_MAX * settings.good_seconds, settings.patience_seconds
        )
        self._letting_in = False
        self._pay_room = math.ceil(settings.limit_max * PAY_SHARE_OF_MAX)
        self.in_flight = 0
        self.refused = [0] * CLASSES
        self.waited = [0] * CLASSES  # let in after a wait
        self.ended = [[0] * len(Outcome) for _ in range(CLASSES)]
        self.good = [0] * CLASSES
        self.window_began = now()
        self.answers = [0] * CLASSES
        self.seconds = [0.0] * CLASSES
        self._refused_before = 0
        self._mean_before = 0.0
        self._watched: list[Permit] = []
        self._ticked = self.window_began
        self._retry_spread = float(RETRY_SECONDS_MIN)
        self._counts = metrics.Counts()
        self.room = self._rooms()

    def enter(self, priority: Priority, on_deadline: Callable[[], None] | None = None) -> Permit | None:
        """A permit, or None while there is no room. `on_deadline` is called if it is still held then."""
        if self.in_flight >= self.room[priority]:
            return None
        self.in_flight += 1
        permit = Permit(self, priority, self.now(), on_deadline)
        if on_deadline is not None:
            self._watched.append(permit)
        return permit

    def wait(
        self, priority: Priority, waiter: Waiter, on_deadline: Callable[[], None] | None = None
    ) -> Permit | None:
        """For whom `enter` had no room: a permit that is not held yet, or None when this priority is refused now."""
        permit = Permit(self, priority, self.now(), on_deadline, waiter)
        refused = self.anteroom.take_place(permit)
        if refused is permit:
            self.refused[priority] += 1
            return None
        if refused is not None:
            self._turn_away(refused)
        return permit

    def let_in(self) -> None:
        """Lets in who waits, as far as there is room: after each `leave`, and when there may be more room."""
        if self._letting_in:
            return  # one that was let in has left in the same breath; the loop below goes on
        self._letting_in = True
        try:
            now = self.now()
            for priority in PATIENCE_SHARES:
                while self.in_flight < self.room[priority] and (permit := self.anteroom.next(priority, now)):
                    self._begin(permit, now)
        finally:
            self._letting_in = False

    def _begin(self, permit: Permit, now: float) -> None:
        self.in_flight += 1
        self.waited[permit.priority] += 1
        if permit.on_deadline is not None:
            self._watched.append(permit)
        try:
            permit.begin(now)
        except Exception:
            # Whoever left and made room must not suffer for who comes in; the deadline ends that one.
            log.exception("waiter_failed")

    def at_rest(self) -> bool:
        """Whether a pause of the process would keep nobody waiting who works or waits here."""
        return not self.in_flight and not self.anteroom.waiting

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
        if self.anteroom.waiting:
            self.let_in()
            for permit in self.anteroom.out_of_patience(now, now - self._ticked):
                self._turn_away(permit)
        self._ticked = now
        self._counts.carry(self)

    def _end_window(self, now: float) -> bool:
        elapsed, answers = now - self.window_began, sum(self.answers)
        mean = sum(self.seconds) / answers if answers else 0.0
        enough = answers >= ANSWERS_MIN and elapsed >= max(WINDOW_SECONDS_MIN, ROUND_TRIPS * mean)
        if not enough and elapsed < max(WINDOW_SECONDS_MAX, STILL_ROUND_TRIPS * max(mean, self._mean_before)):
            return False
        self._mean_before = mean or self._mean_before
        share_left = 1 - 2 * self._mean_before / self.good_seconds
        self.anteroom.fresh_seconds = self.good_seconds * min(
            FRESH_SHARE_MAX, max(FRESH_SHARE_MIN, share_left)
        )
        refused = sum(self.refused)
        newly_refused, self._refused_before = refused - self._refused_before, refused
        kept_out = newly_refused + self.anteroom.waiting
        self.limiter.observe(Window(elapsed, self.answers, self.seconds, kept_out, self.in_flight))
        spread = RETRY_SECONDS_MIN * (1 + newly_refused / max(1, answers))
        self._retry_spread = min(float(RETRY_SECONDS_MAX), spread)
        self.window_began, self.answers, self.seconds = now, [0] * CLASSES, [0.0] * CLASSES
        return True

    def _end_late(self, now: float) -> None:
        # All of them each time: who has waited before is not in the order of coming, and to look costs 0.03 µs.
        self._watched = [permit for permit in self._watched if permit.held]
        came_too_early = now - self.deadline_seconds
        for permit in [permit for permit in self._watched if permit.came <= came_too_early]:
            on_deadline = permit.on_deadline
            if on_deadline is not None:
                permit.leave(Outcome.LATE)
                on_deadline()

    def _turn_away(self, permit: Permit) -> None:
        self.refused[permit.priority] += 1
        try:
            permit.void()
        except Exception:  # as in `_begin`
            log.exception("waiter_failed")

    def _rooms(self) -> tuple[int, ...]:
        rooms = [self._pay_room] * CLASSES
        for priority, share in SHARES.items():
            put_off = self.brownout.puts_off(priority)
            rooms[priority] = 0 if put_off else max(1, int(self.limiter.limit * share))
        return tuple(rooms)
