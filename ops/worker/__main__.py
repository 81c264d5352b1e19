"""`python -m ops.worker`: one worker. Run as many as the payouts need; each acts on a payout alone."""

import asyncio
import signal
import threading

import structlog

from kit.broker import create_broker
from kit.process import run_process
from kit.reach import reach_postgres, reach_redis
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.web.health import Health, HealthServer
from ops.worker.process import WorkerProcess
from ops.worker.settings import ProbeSettings, WorkerSettings

log = structlog.get_logger()


def main() -> None:
    """Works until SIGTERM or SIGINT, then ends within 15 seconds. Raises `StartRefused`."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    health, probe_settings, redis_settings = (
        Health(),
        read_settings(ProbeSettings),
        read_settings(RedisSettings),
    )
    probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
    probes.start()
    asyncio.run(_reach(redis_settings))
    worker = WorkerProcess(create_broker(redis_settings.redis_broker_url), read_settings(WorkerSettings))
    worker.start()
    health.started.set()
    log.info("worker_started")
    told.wait()
    health.draining.set()
    worker.stop()
    probes.stop()
    log.info("worker_stopped")


async def _reach(redis_settings: RedisSettings) -> None:
    await reach_postgres(read_settings(PostgresSettings))
    await reach_redis(redis_settings)


if __name__ == "__main__":
    run_process("worker", main)
