"""A wire to Redis that a test can cut at the worst moment: after the command arrived, before its answer is back."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """Forwards a port of its own to a server.

    With `deaf`, answers are swallowed; with `stalled`, nothing passes; answers come `delay_seconds` late.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        self.deaf = False
        self.stalled = False
        self.delay_seconds = 0.0
        self.swallowed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def heal(self) -> None:
        """From now on everything passes at once."""
        self.deaf, self.stalled, self.delay_seconds = False, False, 0.0

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
        # The end of a test cancels this; the streams' own callback would take that for a fault.
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            try:
                await self._pass_both_ways((reader, writer), (far_reader, far_writer))
            finally:
                far_writer.transport.abort()
        writer.transport.abort()
        self._tasks.discard(task)

    async def _pass_both_ways(self, near: _End, far: _End) -> None:
        there = asyncio.create_task(self._pass_on(near[0], far[1], answers=False))
        back = asyncio.create_task(self._pass_on(far[0], near[1], answers=True))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (there, back):
                one.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while chunk := await reader.read(65536):
            if answers and self.deaf:
                self.swallowed += 1
                return  # the connection breaks with the answer unread
            if self.stalled:
                continue
            if answers and self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            writer.write(chunk)
            await writer.drain()
