"""The real simulator on a real port inside a test, with its book in a temporary file; also a place to receive webhooks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

from kit.clock import Clock, SystemClock
from kit.embedded.ports import free_port
from kit.provider import ProviderSettings
from ops.simulator.app import Parts, create_app
from ops.simulator.book import Book, Effect
from ops.simulator.deliverer import Deliverer
from ops.simulator.misbehaviour import Misbehaviour
from ops.simulator.provider import Provider

API_KEY = "test-api-key"
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NOWHERE = "http://127.0.0.1:1"


class _QuietServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the test process keeps its own signal handlers


@asynccontextmanager
async def serving(app: Callable[..., Awaitable[None]], port: int) -> AsyncIterator[None]:
    """`app` on a real port of this event loop."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, ws="none", timeout_graceful_shutdown=1
    )
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass
class RunningSimulator:
    """What a test may do with the simulator."""

    url: str
    provider: Provider
    book: Book

    def misbehave(self, **ratios: Any) -> None:
        self.provider.misbehave(Misbehaviour(**ratios))

    def effects(self, kind: str = "payout") -> list[Effect]:
        return [entry for entry in self.book.effects(after=0, limit=5_000) if entry.kind == kind]

    def effects_of(self, user_id: str) -> list[Effect]:
        return [entry for entry in self.effects() if entry.user_id == user_id]

    def settings(self, **more: Any) -> ProviderSettings:
        return ProviderSettings(url=self.url, api_key=API_KEY, webhook_secret=WEBHOOK_SECRET, **more)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=5, trust_env=False
        )


@asynccontextmanager
async def running_simulator(
    folder: Path, *, webhook_url: str = NOWHERE, clock: Clock | None = None
) -> AsyncIterator[RunningSimulator]:
    """The simulator with its book in `folder`; run it there again and it remembers everything."""
    clock = clock or SystemClock()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    book = Book(folder / "book.sqlite3")
    provider = Provider(book, clock)
    parts = Parts(
        provider=provider,
        book=book,
        deliverer=Deliverer(book, clock, webhook_url=webhook_url, secret=WEBHOOK_SECRET),
        api_key=API_KEY,
        address=url,
        gateway_origin="http://shop.example",
    )
    try:
        async with serving(create_app(parts), port):
            yield RunningSimulator(url, provider, book)
    finally:
        book.close()


@dataclass
class Inbox:
    """Receives webhooks as a gateway would; `answer` is the status it gives."""

    url: str
    answer: int = 204
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def running_inbox(port: int | None = None) -> AsyncIterator[Inbox]:
    port = port or free_port()
    inbox = Inbox(f"http://127.0.0.1:{port}")
    app = FastAPI()

    @app.post("/{path:path}")
    async def receive(path: str, request: Request) -> Response:
        inbox.received.append((path, dict(request.headers), await request.body()))
        inbox.arrived.set()
        return Response(status_code=inbox.answer)

    async with serving(app, port):
        yield inbox
