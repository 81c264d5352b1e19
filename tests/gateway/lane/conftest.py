"""A gateway with its lane behind a real socket, and the bare connections that talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
import uvicorn

from gateway.lane.lane import Lane
from gateway.overload.brownout import Brownout
from kit.embedded.ports import free_port
from kit.web.protocol import BoundedConfig, BoundedHttpProtocol
from kit.web.receipt import Receipts
from tests.gateway.lane.both import Both
from tests.gateway.lane.wire import Answer, Line
from tests.gateway.scene import Scene


@dataclass
class Served:
    """One gateway process, as far as its callers can tell."""

    scene: Scene
    lane: Lane
    port: int
    server: uvicorn.Server

    @property
    def path(self) -> str:
        return self.scene.path

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A bare connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, *requests: bytes) -> list[Answer]:
        """The answers to requests sent in one piece on a connection of their own."""
        async with self.line() as line:
            line.send(b"".join(requests))
            return [await line.answer() for _ in requests]


async def eventually(holds: Callable[[], object]) -> None:
    """Returns once it holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(
    scene: Scene, *, protocol: type[BoundedHttpProtocol] | None = None
) -> AsyncIterator[Served]:
    """The scene's app and a lane over its parts, listening; without the lane where another protocol is named."""
    scene.parts.gate.brownout = Brownout(3600)  # a busy machine must not decide what a test sees
    lane = Lane(scene.parts, scene.app.state.problems)
    port = free_port()
    config = BoundedConfig(
        scene.app,
        host="127.0.0.1",
        port=port,
        http=protocol or lane.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    config.receipts = Receipts()
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    async with lane.ticking():
        yield Served(scene, lane, port, server)
        server.should_exit = True
        server.force_exit = True
        await running


@pytest.fixture
async def served(scene: Scene) -> AsyncIterator[Served]:
    """A served gateway whose sale opened a minute ago: five units, at most two each."""
    async with serving(scene) as one:
        yield one


@pytest.fixture
async def both(closed: Scene) -> AsyncIterator[Both]:
    await closed.open_sale(total=100_000)
    async with serving(closed) as lane, serving(closed, protocol=BoundedHttpProtocol) as app:
        yield Both(lane, app)
