"""Saturation: every connection asks again as soon as it is answered, so the server is as busy as it can be."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from loadtests.bench.client.lines import Line, Tally

L = TypeVar("L", bound=Line)

CONNECT_SECONDS_MAX: Final = 30.0  # thousands, one after the other, at a server that is busy
DRAIN_SECONDS_MAX: Final = 10.0  # what is in flight is answered within this, or counted as lost


@dataclass(frozen=True, slots=True)
class Load:
    """How hard, how long, where."""

    ports: Sequence[int]
    connections: int
    depth: int  # requests in flight on one connection
    seconds: float
    warm_seconds: float = 0.4
    # Never sleeps while it waits. On a machine of its own a client is woken by its own network card; here the server
    # would have to wake the other core for each single answer, and that costs it more than the cheapest answers do.
    awake: bool = False


@dataclass(slots=True)
class Saturation:
    """One run. `window` counts what was answered in the measured seconds, `tally` everything."""

    tally: Tally
    window: dict[bytes, int]
    seconds: float
    sent: int
    exhausted: bool  # the requests ran out: the rate is that of what was there, not the server's

    def rate(self, *statuses: bytes) -> float:
        return sum(self.window.get(status, 0) for status in statuses) / self.seconds


class _Asker(Line):
    def __init__(self, tally: Tally, pump: "_Pump") -> None:
        super().__init__(tally)
        self._pump = pump

    def answered(self, answers: int) -> None:
        self.ask(answers)

    def ask(self, wanted: int) -> None:
        batch = self._pump.take(wanted)
        if batch and self.transport is not None:
            self.outstanding += len(batch)
            self.write(batch[0] if len(batch) == 1 else b"".join(batch))


class _Pump:
    """Hands out requests until it is closed or they run out."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self.is_open = True
        self.exhausted = False
        self.sent = 0

    def take(self, wanted: int) -> list[bytes]:
        if not self.is_open:
            return []
        batch = list(islice(self._requests, wanted))
        self.exhausted = self.exhausted or len(batch) < wanted
        self.sent += len(batch)
        return batch


class _Watch:
    """Something to do in every turn of the loop, so that it looks at its sockets again at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, is_open: bool) -> None:
        self._loop = loop
        self.is_open = is_open

    def turn(self) -> None:
        if self.is_open:
            self._loop.call_soon(self.turn)


async def saturate(
    load: Load,
    requests: Iterator[bytes],
    *,
    keep_granted: bool = False,
    at_edge: Callable[[], None] = lambda: None,
) -> Saturation:
    """Runs `load`; `at_edge` is called at the beginning and at the end of the measured window."""
    tally, pump = Tally(keep_granted=keep_granted), _Pump(requests)
    askers = await connect(load.ports, load.connections, lambda: _Asker(tally, pump))
    watch = _Watch(asyncio.get_running_loop(), is_open=load.awake)
    try:
        watch.turn()
        for asker in askers:
            asker.ask(load.depth)
        await asyncio.sleep(load.warm_seconds)
        before, started = dict(tally.counts), time.perf_counter()
        at_edge()
        await asyncio.sleep(load.seconds)
        seconds = time.perf_counter() - started
        at_edge()
        window = {status: count - before.get(status, 0) for status, count in tally.counts.items()}
        pump.is_open = False
        await drain(askers)
    finally:
        watch.is_open = False
        close(askers)
    return Saturation(tally, window, seconds, pump.sent, pump.exhausted)


async def connect(ports: Sequence[int], connections: int, make: Callable[[], L]) -> list[L]:
    """So many open connections, dealt over the ports."""
    loop = asyncio.get_running_loop()
    lines: list[L] = []
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        for number in range(connections):
            _, line = await loop.create_connection(make, "127.0.0.1", ports[number % len(ports)])
            lines.append(line)
    return lines


async def drain(lines: Sequence[Line], seconds_max: float = DRAIN_SECONDS_MAX) -> None:
    """Waits until nothing is outstanding, for a while."""
    deadline = time.perf_counter() + seconds_max
    while any(line.outstanding for line in lines) and time.perf_counter() < deadline:  # noqa: ASYNC110 - no event ends it
        await asyncio.sleep(0.01)


def close(lines: Sequence[Line]) -> None:
    """Ends the connections; what is still outstanding counts as lost."""
    for line in lines:
        line.tally.lost += line.outstanding
        line.outstanding = 0
        if line.transport is not None:
            line.transport.abort()
