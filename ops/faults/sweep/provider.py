"""The provider of a sweep: the simulator's own app and book in this process. It announces nothing by itself; the shoppers
of a trial carry its webhooks, so that each arrives when the chain says so."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from kit.clock import SystemClock
from kit.embedded.ports import free_port
from kit.provider import ProviderSettings
from ops.simulator.app import Parts, create_app
from ops.simulator.book import Book
from ops.simulator.deliverer import Deliverer
from ops.simulator.provider import Provider

API_KEY: Final = "sweep-api-key"
WEBHOOK_SECRET: Final = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105 - of a pretended provider
_NOWHERE: Final = "http://127.0.0.1:1"
_LOOK_SECONDS: Final = 0.01
_START_LOOKS_MAX: Final = 500


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are for whoever runs the sweep


@asynccontextmanager
async def running_provider(folder: Path) -> AsyncIterator[ProviderSettings]:
    """A provider on loopback with its book in `folder`."""
    port, clock, book = free_port(), SystemClock(), Book(folder / "book.sqlite3")
    url = f"http://127.0.0.1:{port}"
    app = create_app(
        Parts(
            provider=Provider(book, clock),
            book=book,
            deliverer=Deliverer(book, clock, webhook_url=_NOWHERE, secret=WEBHOOK_SECRET),
            api_key=API_KEY,
            address=url,
            gateway_origin=_NOWHERE,
        )
    )
    server = _Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    try:
        for _ in range(_START_LOOKS_MAX):
            if server.started or serving.done():
                break
            await asyncio.sleep(_LOOK_SECONDS)
        yield ProviderSettings(url=url, api_key=API_KEY, webhook_secret=WEBHOOK_SECRET)
    finally:
        server.should_exit = True
        await serving
        book.close()
