"""`python -m ops.console`: the internal API, with its probes on a port and thread of their own."""

import asyncio

import structlog

from kit.clock import SystemClock
from kit.identity import Identities, IdentitySettings
from kit.postgres import Postgres
from kit.process import run_process
from kit.reach import reach_postgres
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.web.health import Health, HealthServer
from kit.web.serving import Door, listen, serve
from ops.console.app import Parts, create_app
from ops.console.settings import ConsoleSettings, ProbeSettings
from ops.desk.places import place_finder
from ops.desk.service import Desk

log = structlog.get_logger()


async def main() -> None:
    """Serves until SIGTERM or SIGINT. Raises `StartRefused`."""
    settings, probe_settings = read_settings(ConsoleSettings), read_settings(ProbeSettings)
    identities = Identities(read_settings(IdentitySettings), SystemClock())
    door = Door(
        "console",
        settings.host,
        settings.port,
        "CONSOLE_PORT",
        settings.drain_seconds,
        settings.finish_seconds_max,
    )
    health = Health()
    with listen(door) as listener:
        probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
        probes.start()
        stores, redis_settings = read_settings(PostgresSettings), read_settings(RedisSettings)
        postgres = Postgres(stores)
        # A waiting room that is away costs the desk the place in line, not the answer: it is not waited for.
        queue = connect(redis_settings.redis_queue_url, redis_settings, purpose="queue")
        try:
            await reach_postgres(stores)
            app = create_app(Parts(postgres, Desk(place_finder(queue)), identities))
            log.info("console_starting", port=settings.port)
            health.ready_checks.append(identities.why_not_ready)
            async with identities.fetching():
                await serve(app, door, listener, health)
        finally:
            await queue.aclose()
            await postgres.close()
            probes.stop()
            log.info("console_stopped")


if __name__ == "__main__":
    run_process("console", lambda: asyncio.run(main()))
