"""A network that goes silent: connections stay open, and nothing arrives any more."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs, urlsplit


class FreezingPostgres:
    """Stands between clients and the PostgreSQL of `database_url`; while frozen it forwards nothing either way."""

    def __init__(self, database_url: str) -> None:
        self._there = urlsplit(database_url)
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        user = f"{self._there.username or 'postgres'}"
        secret = f":{self._there.password}" if self._there.password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self._port}{self._there.path}"

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for _ in range(2):  # the aborted connections tell the loop so in its next turn
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        # Also who comes while it is frozen is let in: that is what a black hole behind a load balancer does.
        try:
            await self._thawed.wait()
            there, back = await self._connect()
            pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, back), (there, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder = parse_qs(self._there.query).get("host")
        port = self._there.port or 5432
        if folder:
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._there.hostname or "127.0.0.1", port)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while sent := await source.read(1 << 16):
                await self._thawed.wait()
                sink.write(sent)
                await sink.drain()
