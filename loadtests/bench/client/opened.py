"""Open arrivals: requests come when they are planned, whether or not the earlier ones were answered.

Latency counts from the planned instant, so that a client that had to wait for a free connection says so. What could not
be sent before the end is counted and never forgotten. A connection that the server closes is opened again.

Who is refused may come again, with the same request, when the refusal has said: as an arrival in place of a new one, so
that manners never make the load less. Where there is nobody new any more, they come before their time.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from loadtests.bench.client.closed import DRAIN_SECONDS_MAX, close, connect, drain
from loadtests.bench.client.histogram import Histogram
from loadtests.bench.client.lines import Line, Tally
from loadtests.bench.client.ticker import ticking

CATCH_UP_MAX = 64  # arrivals sent in one go after a delay, before answers are read again


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many a second, for how long, over how many connections."""

    ports: Sequence[int]
    connections: int
    rate: float
    seconds: float
    seed: int = 11

    def planned(self) -> list[float]:
        """Seconds from the start at which they come: a Poisson process, the same for the same seed."""
        dice, at, instants = Random(f"arrivals:{self.seed}"), 0.0, []
        while (at := at + dice.expovariate(self.rate)) < self.seconds:
            instants.append(at)
        return instants


@dataclass(slots=True)
class Opened:
    """One run. `planned` = `sent` + `unsent`; `latencies` are of good answers alone."""

    arrivals: Arrivals
    tally: Tally
    planned: int
    sent: int
    unsent: int
    seconds: float
    latencies: list[float]
    good: int
    reopened: int
    undecided: list[bytes]  # who was refused last and may ask again: what became of them is not known yet
    by_second: list[int] = field(default_factory=list)  # good answers in time
    since_sent: list[float] = field(
        default_factory=list
    )  # of good answers, as `latencies` are from their plan

    @property
    def late(self) -> int:
        """Good answers that came too late to be goodput."""
        return self.good - sum(self.by_second)

    @property
    def goodput(self) -> float:
        return self.good / self.arrivals.seconds

    def histogram(self) -> Histogram:
        """Everything planned: what got no good answer is missing, not absent."""
        return Histogram.of(self.latencies, missing=self.planned - self.good)


class _Caller(Line):
    """One connection; free or waiting for one answer."""

    def __init__(self, tally: Tally, traffic: "_Traffic") -> None:
        super().__init__(tally)
        self._traffic = traffic
        self.due = self.sent = 0.0
        self.request = b""
        self.refused = False
        self.retry_seconds = 0

    def call(self, request: bytes, due: float, now: float) -> None:
        self.due, self.sent, self.request = due, now, request
        self.outstanding = 1
        self.write(request)

    def data_received(self, chunk: bytes) -> None:
        # Each call has one answer, so its status is that of the first bytes.
        if not self.rest:
            self.refused = chunk[9:12] not in self._traffic.good_statuses
            self.retry_seconds = _retry_seconds(chunk) if self.refused else 0
        super().data_received(chunk)

    def answered(self, answers: int) -> None:
        self._traffic.hear(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._traffic.lose(self)
        super().connection_lost(exc)


def _retry_seconds(answer: bytes) -> int:
    """What it says in `Retry-After`; 0 where it says nothing."""
    field = answer.lower().find(b"retry-after: ")
    return int(answer[field + 13 : answer.find(b"\r", field)]) if field >= 0 else 0


class _Traffic:
    """The arrivals of one run: who is due, who is free, what was heard."""

    def __init__(
        self,
        planned: list[float],
        requests: Iterator[bytes],
        good_statuses: frozenset[bytes],
        *,
        again: bool,
        in_time_seconds: float,
    ) -> None:
        self._planned, self._requests, self.good_statuses = planned, requests, good_statuses
        self._again, self._in_time_seconds = again, in_time_seconds
        self._numbers = itertools.count()
        self.refused: list[tuple[float, int, bytes]] = []  # a heap: when to come again, and with what
        self.free: deque[_Caller] = deque()
        self.under_way = 0
        self.next = 0
        self.began = 0.0
        self.ends = 0.0
        self.is_open = True
        self.latencies: list[float] = []
        self.since_sent: list[float] = []
        self.by_second: list[int] = []
        self.lost_lines = 0

    def tick(self) -> None:
        """Sends what is due, as far as there are free connections."""
        planned, now = self._planned, time.perf_counter()
        if now >= self.ends:
            self.is_open = False
            return
        since = now - self.began
        for _ in range(CATCH_UP_MAX):
            if self.next >= len(planned) or planned[self.next] > since or not self.free:
                return
            caller = self.free.popleft()
            if caller.transport is None:
                continue
            request = self._next(now)
            if request is None:
                self.free.append(caller)
                # Who is under way may yet be refused and come back.
                self.is_open = self._again and self.under_way > 0
                return
            caller.call(request, self.began + planned[self.next], now)
            self.under_way += 1
            self.next += 1

    def hear(self, caller: _Caller) -> None:
        self.under_way -= 1
        if not caller.refused:
            self._note(time.perf_counter(), caller)
        elif self._again:
            self._come_again(caller)
        self.free.append(caller)
        if self.is_open:
            self.tick()

    def lose(self, caller: _Caller) -> None:
        self.lost_lines += 1
        if caller.outstanding:
            self.under_way -= 1
            if self._again:
                self._come_again(caller)  # what became of it is not known; its key will tell

    def _next(self, now: float) -> bytes | None:
        refused = self.refused
        if refused and refused[0][0] <= now:
            return heapq.heappop(refused)[2]
        request = next(self._requests, None)
        return heapq.heappop(refused)[2] if request is None and refused else request

    def _come_again(self, caller: _Caller) -> None:
        due = time.perf_counter() + caller.retry_seconds
        heapq.heappush(self.refused, (due, next(self._numbers), caller.request))

    def _note(self, now: float, caller: _Caller) -> None:
        self.latencies.append(now - caller.due)
        self.since_sent.append(now - caller.sent)
        second = int(now - self.began)
        while len(self.by_second) <= second:
            self.by_second.append(0)
        self.by_second[second] += now - caller.sent <= self._in_time_seconds


async def arrive(
    arrivals: Arrivals,
    requests: Iterator[bytes],
    *,
    good: frozenset[bytes],
    keep_granted: bool = False,
    again: bool = False,
    in_time_seconds: float = math.inf,
    at_edge: Callable[[], None] = lambda: None,
) -> Opened:
    """Runs the arrivals. With `again`, who was refused comes back when it was told to, with the same request (a retry of
    its key). Seconds count what was answered within `in_time_seconds` of its sending."""
    tally = Tally(keep_granted=keep_granted)
    planned = arrivals.planned()
    traffic = _Traffic(planned, requests, good, again=again, in_time_seconds=in_time_seconds)
    callers = await connect(arrivals.ports, arrivals.connections, lambda: _Caller(tally, traffic))
    traffic.free.extend(callers)
    reopener = asyncio.create_task(_reopen(arrivals, tally, traffic, callers))
    try:
        traffic.began = time.perf_counter()
        traffic.ends = traffic.began + arrivals.seconds
        at_edge()
        with ticking(traffic.tick):
            while traffic.is_open and traffic.next < len(planned):  # noqa: ASYNC110 - a clock ends it
                await asyncio.sleep(0.02)
        at_edge()
        seconds = time.perf_counter() - traffic.began
        traffic.is_open = False
        await drain(callers, DRAIN_SECONDS_MAX)
    finally:
        reopener.cancel()
        close(callers)
    return Opened(
        arrivals=arrivals,
        tally=tally,
        planned=len(planned),
        sent=traffic.next,
        unsent=len(planned) - traffic.next,
        seconds=seconds,
        latencies=traffic.latencies,
        good=len(traffic.latencies),
        reopened=traffic.lost_lines,
        undecided=[request for _, _, request in traffic.refused],
        by_second=traffic.by_second,
        since_sent=traffic.since_sent,
    )


async def _reopen(arrivals: Arrivals, tally: Tally, traffic: _Traffic, callers: list[_Caller]) -> None:
    """A connection that was closed on us is replaced, as a browser does it."""
    while True:
        await asyncio.sleep(0.05)
        closed = [caller for caller in callers if caller.transport is None]
        if not closed or not traffic.is_open:
            continue
        try:
            fresh = await connect(arrivals.ports, len(closed), lambda: _Caller(tally, traffic))
        except (OSError, TimeoutError):
            continue
        gone = set(map(id, closed))
        callers[:] = [caller for caller in callers if id(caller) not in gone] + fresh
        traffic.free.extend(fresh)
