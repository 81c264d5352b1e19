"""A wire to Redis or PostgreSQL that breaks as it is told, and counts each time it did.

Stands between a client and a server, in the event loop that opened it: late answers, silence, a connection that is
reset, half an answer, an answer that is lost after its request was carried out. What it did not do, it did not count.
"""

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

# reset: the request does not reach the server. half_reply: the answer breaks off in the middle. lost_reply: the request
# is carried out, and its answer does not come back. The connection ends with each.
Mishap = Literal["reset", "half_reply", "lost_reply"]

ALWAYS: Final = 1_000_000_000  # more requests than any trial sends
_CHUNK_BYTES: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)  # linger for no time at all: the peer is told RST, not FIN

_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class _Order:
    """A mishap that is still to come, for requests that hold `asked`."""

    mishap: Mishap
    times: int
    asked: bytes


class Wire:
    """Forwards a port of its own to the server of `url` (redis:// or postgresql://, its socket folder too).

    Answers come `delay_seconds` late. `counts` says how often each thing happened: delayed, silenced (what was held
    back, or waits to be let in), cut, and each `Mishap`.
    """

    def __init__(self, url: str) -> None:
        self.delay_seconds = 0.0
        self.counts: Counter[str] = Counter()
        self.lead_to(url)
        self._orders: list[_Order] = []
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._near: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The server's address by way of this wire."""
        user = "" if self._there.username is None else self._there.username
        secret = f":{self._there.password}" if self._there.password else ""
        before = f"{user}{secret}@" if user or secret else ""
        port = self._server.sockets[0].getsockname()[1]
        return f"{self._there.scheme}://{before}127.0.0.1:{port}{self._there.path}"

    def lead_to(self, url: str) -> None:
        """Whoever connects from now on reaches the server of `url`; those who are connected stay where they are."""
        self._there = urlsplit(url)

    def silence(self) -> None:
        """From now on nothing arrives, either way, and nobody is told: a black hole. It is all delivered at `heal`."""
        self._open.clear()

    def next(self, mishap: Mishap, *, times: int = 1, asked: bytes = b"") -> None:
        """The next `times` requests that hold `asked` meet `mishap`."""
        self._orders.append(_Order(mishap, times, asked))

    def cut(self) -> None:
        """Resets every connection there is."""
        for writer in list(self._near):
            self.counts["cut"] += 1
            _reset(writer)

    def heal(self) -> None:
        """From now on everything passes at once."""
        self._orders.clear()
        self.delay_seconds = 0.0
        self._open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(2):  # the aborted connections tell the loop so in its next turn
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._near.add(writer)
        # The end of the wire cancels this; the streams' own callback would take that for a fault.
        with suppress(OSError, asyncio.CancelledError):
            await self._held_back()
            there, back = await self._connect()
            try:
                await self._pass_both_ways((reader, writer), (there, back))
            finally:
                back.transport.abort()
        writer.transport.abort()
        self._near.discard(writer)
        self._tasks.discard(task)

    async def _connect(self) -> _End:
        folder = parse_qs(self._there.query).get("host")
        default = 5432 if self._there.scheme.startswith("postgres") else 6379
        port = self._there.port or default
        if folder:
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._there.hostname or "127.0.0.1", port)

    async def _pass_both_ways(self, near: _End, far: _End) -> None:
        due: list[Mishap] = []
        there = asyncio.create_task(self._pass_requests(near, far[1], due))
        back = asyncio.create_task(self._pass_answers(far[0], near[1], due))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (there, back):
                one.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _pass_requests(self, near: _End, there: asyncio.StreamWriter, due: list[Mishap]) -> None:
        while chunk := await near[0].read(_CHUNK_BYTES):
            mishap = self._take(chunk)
            if mishap == "reset":
                self.counts["reset"] += 1
                _reset(near[1])
                return
            if mishap is not None:
                due.append(mishap)
            await self._held_back()
            there.write(chunk)
            await there.drain()

    async def _pass_answers(
        self, there: asyncio.StreamReader, near: asyncio.StreamWriter, due: list[Mishap]
    ) -> None:
        while chunk := await there.read(_CHUNK_BYTES):
            if due:
                self.counts[due[0]] += 1
                if due[0] == "half_reply":
                    near.write(chunk[: len(chunk) // 2])
                    await near.drain()
                _reset(near)
                return
            if self.delay_seconds:
                self.counts["delayed"] += 1
                await asyncio.sleep(self.delay_seconds)
            await self._held_back()
            near.write(chunk)
            await near.drain()

    async def _held_back(self) -> None:
        if not self._open.is_set():
            self.counts["silenced"] += 1
            await self._open.wait()

    def _take(self, request: bytes) -> Mishap | None:
        for order in self._orders:
            if order.times and order.asked in request:
                order.times -= 1
                return order.mishap
        return None


def _reset(writer: asyncio.StreamWriter) -> None:
    peer = writer.get_extra_info("socket")
    if peer is not None:
        with suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
