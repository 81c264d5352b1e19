"""How long and how much a connection may send before it has said what it wants, and how long it may say nothing.

uvicorn waits for ever for a head or a body that trickles in. A timer a request would cost more than the request; here
a connection only notes what it is at and since when, and one sweep a second looks at those that are in the middle of a
request, and at a fifth of all the others. So a bound may be exceeded by up to two seconds.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from socket import socket
from typing import Final

from kit.web import metrics
from kit.web.kernel import accept_queue

SWEEP_SECONDS: Final = 1.0
SWEEP_SECONDS_LEAVING: Final = 0.1  # a draining process waits for the last one
SWEEPS_A_ROUND: Final = 5  # who rests is looked at so often: idle bounds are many seconds
# From this share of the connections on, patience shrinks (Envoy's overload manager scales its time-outs so).
CROWDED_SHARE: Final = 0.8
IDLE_SECONDS_CROWDED: Final = 5.0
RECEIPT_SECONDS_CROWDED: Final = 3.0
EVICTED_AFTER_SECONDS: Final = 1.0  # nobody is turned out in mid-thought to let the next one in
EVICTION_SAMPLES: Final = 32  # near enough to the longest idle (as Redis samples its keys)
# A leaving process closes who has been silent so long, and answers who has not; the coarse time makes it two at least.
QUIET_SECONDS: Final = 3.0
WAIT_SAMPLES: Final = 64  # one request in so many asks the kernel how long its bytes waited: 2 µs each


class Stage:
    """What a connection is at."""

    RESTING: Final = 0  # between requests
    HEAD: Final = 1
    BODY: Final = 2


class Cut(StrEnum):
    """Why a connection was ended from here."""

    SLOW_HEAD = "slow_head"
    SLOW_BODY = "slow_body"
    UNUSED = "unused"  # opened and never said a byte
    IDLE = "idle"
    STALLED = "stalled"  # does not read what it asked for
    EVICTED = "evicted"  # made room for a new one
    REFUSED = "refused"  # found no room
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class ReceiptBounds:
    """What one process bears of its callers."""

    head_seconds: float = 10.0  # from the first byte to the whole head, over the worst phone line
    body_seconds: float = 10.0  # 16 KiB over the same line
    idle_seconds: float = 75.0  # longer than a balancer's idle time-out, so that it is the one to close
    stall_seconds: float = 30.0  # until a reader that has stopped reading is given up
    header_fields_max: int = 100  # a browser behind two proxies sends some 40
    head_bytes_max: int = 32 * 1024  # above the 16 KiB that get a proper 431: this only stops an endless head
    connections_max: int = 16_000  # some 20 kB each


class Receipt:
    """What a connection notes of itself; the base of a protocol class, which says when by setting `stage`, `since`."""

    receipts: "Receipts"
    stage: int = Stage.HEAD
    since: float = 0.0
    said_something: bool = False
    stalled_since: float | None = None

    def occupied(self) -> bool:
        """Whether something is being answered or was paused from here, so that nothing may be cut."""
        raise NotImplementedError

    def cut(self, why: Cut) -> None:
        """Ends the connection, with an answer where one is due."""
        raise NotImplementedError


class Receipts:
    """All connections of one server."""

    def __init__(
        self, bounds: ReceiptBounds | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.bounds = bounds or ReceiptBounds()
        self.now = monotonic()  # as of the last sweep: exact enough for seconds, and free
        self.receiving: set[Receipt] = set()
        self.leaving = False
        self.unsampled = WAIT_SAMPLES
        self._monotonic = monotonic
        self._all: OrderedDict[Receipt, None] = OrderedDict()
        self.listeners: list[socket] = []

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, one: Receipt) -> bool:
        """Takes a new connection in, turning out an idle one if there is no room; False when there is none."""
        if len(self._all) >= self.bounds.connections_max and not self._evict():
            metrics.CUT_OFF.labels(Cut.REFUSED).inc()
            return False
        one.since = self.now
        self._all[one] = None
        self.receiving.add(one)
        return True

    def forget(self, one: Receipt) -> None:
        """The connection is gone."""
        self._all.pop(one, None)
        self.receiving.discard(one)

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS_LEAVING if self.leaving else SWEEP_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """Ends whatever has exceeded its bound."""
        self.now = self._monotonic()
        patience = self._patience()
        for one in list(self.receiving):
            if one.stage == Stage.RESTING:
                self.receiving.discard(one)
            else:
                self._judge(one, patience)
        share = len(self._all) if self.leaving else len(self._all) // SWEEPS_A_ROUND + 1
        for one in list(islice(self._all, share)):
            self._all.move_to_end(one)
            self._judge(one, patience)
        metrics.CONNECTIONS.set(len(self._all))
        metrics.RECEIVING.set(len(self.receiving))
        metrics.ACCEPT_QUEUE.set(sum(accept_queue(listener) for listener in self.listeners))

    def _patience(self) -> float:
        """1 with room to spare, 0 when full."""
        fill = len(self._all) / self.bounds.connections_max
        return min(1.0, max(0.0, (1.0 - fill) / (1.0 - CROWDED_SHARE)))

    def _judge(self, one: Receipt, patience: float) -> None:
        if one.stalled_since is not None:
            if self.now - one.stalled_since > self.bounds.stall_seconds:
                self._cut(one, Cut.STALLED)
        elif not one.occupied():
            silent = self.now - one.since
            why = self._overdue(one, silent, patience)
            if why is not None:
                self._cut(one, why)

    def _overdue(self, one: Receipt, silent: float, patience: float) -> Cut | None:
        bounds = self.bounds
        if one.stage == Stage.RESTING or not one.said_something:
            if self.leaving and silent >= QUIET_SECONDS:
                return Cut.LEAVING
            if one.stage == Stage.RESTING:
                return (
                    Cut.IDLE
                    if silent > _scaled(bounds.idle_seconds, IDLE_SECONDS_CROWDED, patience)
                    else None
                )
        if one.stage == Stage.HEAD:
            if silent > _scaled(bounds.head_seconds, RECEIPT_SECONDS_CROWDED, patience):
                return Cut.SLOW_HEAD if one.said_something else Cut.UNUSED
            return None
        late = silent > _scaled(bounds.body_seconds, RECEIPT_SECONDS_CROWDED, patience)
        return Cut.SLOW_BODY if late else None

    def _evict(self) -> bool:
        """Turns out the longest silent of a sample, so that those who trickle cannot keep the others out."""
        longest, victim = EVICTED_AFTER_SECONDS, None
        now = self._monotonic()
        for one in list(islice(self._all, EVICTION_SAMPLES)):
            self._all.move_to_end(one)
            if not one.occupied() and now - one.since > longest:
                longest, victim = now - one.since, one
        if victim is None:
            return False
        self._cut(victim, Cut.EVICTED)
        self.forget(victim)
        return True

    def _cut(self, one: Receipt, why: Cut) -> None:
        metrics.CUT_OFF.labels(why).inc()
        one.cut(why)


def _scaled(calm: float, crowded: float, patience: float) -> float:
    return min(calm, crowded + (calm - crowded) * patience) if calm > crowded else calm
