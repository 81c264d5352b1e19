"""`python -m ops.console`: the internal API, with its probes on a port and thread of their own."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from kit.clock import SystemClock
from kit.embedded.ports import is_taken
from kit.errors import StartRefused
from kit.identity import Identities, IdentitySettings
from kit.logs import configure_logs
from kit.postgres import Postgres
from kit.reach import reach_postgres
from kit.redis import connect
from kit.settings import LogSettings, PostgresSettings, RedisSettings
from kit.web.health import Health, HealthServer
from ops.console.app import Parts, create_app
from ops.console.settings import ConsoleSettings, ProbeSettings
from ops.desk.places import place_finder
from ops.desk.service import Desk

log = structlog.get_logger()

DRAIN_SECONDS_MAX: Final = 10  # a desk answer takes well under a second


async def main() -> None:
    """Serves until SIGTERM or SIGINT. Raises `StartRefused`."""
    settings, probe_settings = ConsoleSettings(), ProbeSettings()
    identities = Identities(IdentitySettings(), SystemClock())
    if is_taken(settings.host, settings.port):
        raise StartRefused(
            f"Port {settings.port} (console) is taken: stop what listens there or set CONSOLE_PORT."
        )
    health = Health()
    probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
    stores, redis_settings = PostgresSettings(), RedisSettings()
    await reach_postgres(stores)
    postgres = Postgres(stores)
    # A waiting room that is away costs the desk the place in line, not the answer: it is not waited for.
    queue = connect(redis_settings.redis_queue_url, redis_settings, purpose="queue")
    app = create_app(Parts(postgres, Desk(place_finder(queue)), identities))
    probes.start()
    try:
        health.started.set()
        log.info("console_started", port=settings.port)
        await serve(app, settings, health)
    finally:
        await queue.aclose()
        await postgres.close()
        probes.stop()
        log.info("console_stopped")


class _Server(uvicorn.Server):
    """uvicorn would raise the signal again once it has drained, and end the process before the stores are closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, settings: ConsoleSettings, health: Health) -> None:
    """Runs the server in this loop until the process is told to stop; what it has begun it answers."""
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,  # addresses carry user ids and phones
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
            lifespan="off",
        )
    )

    def stop() -> None:
        health.draining.set()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve()


if __name__ == "__main__":
    configure_logs("console", LogSettings())
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main())
    except StartRefused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - the one sentence for whoever started the process
        sys.exit(2)
