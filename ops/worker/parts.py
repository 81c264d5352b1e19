"""What a worker process is made of; built in the event loop that its async actors share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from flashsale.payments import Payments
from flashsale.settings import FlashsaleSettings
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings, read_settings
from ops.worker.settings import WorkerSettings
from rewards import metrics
from rewards.payout_rows import read_backlog
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings

log = structlog.get_logger()

WATCH_SECONDS: Final = 5.0  # a scraper comes every 15 s or so


@dataclass(frozen=True, slots=True)
class Parts:
    """The clients and services that the actors call."""

    postgres: Postgres
    payouts: Payouts
    payments: Payments


@asynccontextmanager
async def open_parts(settings: WorkerSettings) -> AsyncIterator[Parts]:
    """The parts, connecting at their first use; closed in reverse at the end. Raises `StartRefused`."""
    async with AsyncExitStack() as stack:
        postgres = Postgres(read_settings(PostgresSettings), pool_connections_max=settings.connections_max)
        stack.push_async_callback(postgres.close)
        provider = ProviderClient(read_settings(ProviderSettings))
        stack.push_async_callback(provider.close)
        redis_settings = read_settings(RedisSettings)
        bells = connect(redis_settings.redis_queue_url, redis_settings, purpose="queue")
        stack.push_async_callback(_close_redis, bells)
        rewards_settings = RewardsSettings(payouts_at_once_max=settings.threads)
        parts = Parts(
            postgres=postgres,
            payouts=Payouts(postgres, provider, bells, rewards_settings),
            payments=Payments(postgres, provider, bells, read_settings(FlashsaleSettings)),
        )
        watch = asyncio.create_task(watch_backlog(postgres))
        stack.push_async_callback(_end, watch)
        yield parts


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels and waits: a connection that is just being made must be closed before its pool is."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _close_redis(client: Redis) -> None:
    with suppress(RedisError, OSError):
        await client.aclose()


async def watch_backlog(postgres: Postgres) -> None:
    """Keeps the gauges of unfinished payouts until cancelled; while PostgreSQL is away they keep their last value."""
    while True:
        with suppress(Unavailable):
            async with postgres.read() as session:
                backlog = await read_backlog(session)
            metrics.DUE.set(backlog.due)
            metrics.DUE_OLDEST_AGE.set(backlog.due_oldest_age_seconds)
            metrics.UNKNOWN_OLDEST_AGE.set(backlog.unknown_oldest_age_seconds)
            for owner in metrics.OWNERS:
                metrics.BLOCKED.labels(owner).set(backlog.blocked.get(owner, 0))
        await asyncio.sleep(WATCH_SECONDS)
