"""An app on a real socket, in the loop of the test: for what ASGI in-process cannot show."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from kit.web.protocol import BoundedConfig, BoundedHttpProtocol
from kit.web.receipt import Receipts


@asynccontextmanager
async def served(app: ASGIApp, *, running: bool = False) -> AsyncIterator[str]:
    """The URL of the app; with `running` its lifespan is somebody else's."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = BoundedConfig(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="off" if running else "on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    config.receipts = Receipts()
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
