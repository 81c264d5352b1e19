"""Serving an app until the process is told to stop: bound at once, bounded everywhere, ended in order.

uvicorn closes its listener the moment it is told to stop, while a balancer still sends; here the process first says
`draining` on its probe, goes on accepting for a while, and then finishes what it has begun.
"""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from kit.errors import StartRefused
from kit.web.health import Health
from kit.web.kernel import accepted_by_kernel, turn_away
from kit.web.openfiles import fitting
from kit.web.protocol import BoundedConfig, BoundedHttpProtocol
from kit.web.receipt import ReceiptBounds, Receipts

BACKLOG: Final = 4096  # a crowd arrives within a second; the kernel holds it while the loop accepts
KEEP_ALIVE_SECONDS_NEVER: Final = 24 * 3600  # the receipts end who rests, without a timer each
KNOCK_SECONDS: Final = (
    0.25  # a round trip round the world: whoever is being connected when the port closes, is
)
CLOSING: Final = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Door:
    """Where an app listens and how its end goes. `variable` names the port's setting for whoever must change it."""

    name: str
    host: str
    port: int
    variable: str
    drain_seconds: float
    finish_seconds_max: int


def listen(door: Door) -> socket.socket:
    """The socket of a door, bound. Raises `StartRefused`."""
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((door.host, door.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartRefused(
                f"Port {door.port} ({door.name}) is taken: stop what listens there or set {door.variable}."
            ) from error
        raise StartRefused(
            f"Cannot listen on {door.host}:{door.port} ({door.name}): {error.strerror or error}."
        ) from error
    listener.setblocking(False)
    return listener


async def serve(
    app: ASGIApp,
    door: Door,
    listener: socket.socket,
    health: Health,
    *,
    on_drain: Callable[[], None] = lambda: None,
    protocol: type[BoundedHttpProtocol] = BoundedHttpProtocol,
    bounds: ReceiptBounds | None = None,
) -> None:
    """Runs the app in this loop until SIGTERM or SIGINT; a second signal does not wait for what is in flight."""
    server = _Server(
        BoundedConfig(
            app,
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",  # a scanner's garbage is counted by its 400s, not told line by line
            access_log=False,  # addresses carry user ids
            server_header=False,
            proxy_headers=False,  # nothing here looks at the caller's address
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS_NEVER,
            timeout_graceful_shutdown=door.finish_seconds_max,
        ),
        health,
        Receipts(fitting(bounds or ReceiptBounds())),
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if health.draining.is_set():
            server.force_exit = server.should_exit = True
            return
        health.draining.set()
        on_drain()
        server.drain()
        loop.call_later(door.drain_seconds, server.leave)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """uvicorn would raise the signal again once it has drained, and end the process before the stores are closed; it
    would reset whoever the kernel had already connected, and close who is about to ask."""

    def __init__(self, config: BoundedConfig, health: Health, receipts: Receipts) -> None:
        super().__init__(config)
        self._health = health
        self._receipts = config.receipts = receipts
        self._sweeping: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._receipts.listeners = list(sockets or [])
        self._sweeping = asyncio.create_task(self._receipts.run(), name="receipts")
        self._health.started.set()

    def drain(self) -> None:
        """Still accepts and answers, and tells each caller with the answer to take its next request elsewhere."""
        self.config.encoded_headers = [*self.config.encoded_headers, CLOSING]
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSING]

    def leave(self) -> None:
        """Closes the port and ends once what is in flight is answered."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the port, answers everybody whom the kernel has let in, and lets those go who say nothing more."""
        self._receipts.listeners = []
        turned = [turn_away(listener) for listener in sockets or []]
        if any(turned):
            await asyncio.sleep(KNOCK_SECONDS)
        accepted = [one for listener in sockets or [] for one in accepted_by_kernel(listener)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for one in accepted:
            await loop.connect_accepted_socket(self._connection, one)
        self._receipts.leaving = True
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _connection(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
