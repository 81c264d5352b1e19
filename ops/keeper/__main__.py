"""`python -m ops.keeper`: one keeper. Run at least two; each duty has one leader among them."""

import asyncio
import signal

import structlog
import uvloop

from flashsale.settings import FlashsaleSettings
from kit.broker import create_broker
from kit.postgres import Postgres
from kit.process import run_process
from kit.provider import ProviderClient, ProviderSettings
from kit.reach import reach_postgres, reach_redis
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.tasks import end_tasks
from kit.web.health import Health, HealthServer
from ops.invariants.book import ProviderBook
from ops.invariants.judge import judging_settings
from ops.keeper.duty import DutyLoop
from ops.keeper.leadership import Leadership
from ops.keeper.settings import KeeperSettings, ProbeSettings
from ops.keeper.timetable import Timetable

log = structlog.get_logger()


async def main() -> None:
    """Keeps the timetable until SIGTERM or SIGINT, then gives every leadership back."""
    settings, probe_settings, stores = (
        read_settings(KeeperSettings),
        read_settings(ProbeSettings),
        read_settings(PostgresSettings),
    )
    health = Health()
    probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
    probes.start()
    redis_settings = read_settings(RedisSettings)
    await reach_postgres(stores)
    await reach_redis(redis_settings)
    postgres, judging = Postgres(stores), Postgres(judging_settings(stores), pool_connections_max=1)
    redis = RedisRoles.connect(redis_settings)
    broker = create_broker(redis_settings.redis_broker_url)
    provider_settings = read_settings(ProviderSettings)
    provider = ProviderClient(provider_settings) if provider_settings.url else None
    timetable = Timetable(
        postgres,
        judging,
        redis,
        broker,
        None if provider is None else ProviderBook(provider),
        read_settings(FlashsaleSettings),
    )
    loops = [
        DutyLoop(duty, Leadership(stores, duty=duty.name, leader=settings.name))
        for duty in timetable.duties()
    ]
    health.started.set()
    log.info("keeper_started", keeper=settings.name)
    try:
        await _run_until_told(loops)
    finally:
        health.draining.set()
        await timetable.pulse.stop()
        if provider is not None:
            await provider.close()
        await redis.close()
        await judging.close()
        await postgres.close()
        probes.stop()
        log.info("keeper_stopped", keeper=settings.name)


async def _run_until_told(loops: list[DutyLoop]) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with asyncio.TaskGroup() as group:
        duties = [group.create_task(loop.run(), name=loop.duty.name) for loop in loops]
        await told.wait()
        for loop in loops:
            loop.stop()
        await end_tasks(duties)


if __name__ == "__main__":
    run_process("keeper", lambda: uvloop.run(main()))
