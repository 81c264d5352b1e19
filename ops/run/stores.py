"""This process's own way to the stores and to the provider's book, as those who judge have it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from kit.embedded import ServerUrls
from kit.postgres import Postgres
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings
from ops.invariants.book import ProviderBook
from ops.run.plan import RunPlan
from ops.run.system import Running

CONNECTIONS_MAX: Final = 4  # one statement at a time, and the striker's
# Everything that promises are kept through: repeats, delays, silence, errors, refusals that another try turns.
FAULTS: Final = {
    "webhook_copies_max": 3,
    "webhook_delay_ms_max": 1500,
    "payout_silent_ratio": 0.05,
    "payout_error_ratio": 0.05,
    "payout_decline_ratio": 0.05,
    "payment_error_ratio": 0.0,
    "refund_error_ratio": 0.1,
}


@dataclass(slots=True)
class Stores:
    """This process's own way to the stores, as those who judge have it."""

    postgres: Postgres
    redis: RedisRoles
    provider: ProviderClient
    book: ProviderBook


@asynccontextmanager
async def open_stores(urls: ServerUrls, environment: Mapping[str, str]) -> AsyncIterator[Stores]:
    postgres = Postgres(PostgresSettings(database_url=urls.database), pool_connections_max=CONNECTIONS_MAX)
    redis = RedisRoles.connect(
        RedisSettings(
            redis_queue_url=urls.redis_queue,
            redis_stock_url=urls.redis_stock,
            redis_limits_url=urls.redis_limits,
            redis_broker_url=urls.redis_broker,
        )
    )
    provider = ProviderClient(
        ProviderSettings(
            url=environment["PROVIDER_URL"],
            api_key=environment["PROVIDER_API_KEY"],
            webhook_secret=environment["PROVIDER_WEBHOOK_SECRET"],
        )
    )
    try:
        yield Stores(postgres, redis, provider, ProviderBook(provider))
    finally:
        await provider.close()
        await redis.close()
        await postgres.close()


async def misbehave(plan: RunPlan, running: Running) -> None:
    """Tells the provider simulator to misbehave from now on. Raises httpx errors."""
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.put(
            f"{plan.simulator_url}/misbehaviour",
            json={"seed": plan.seed, **FAULTS},
            headers={"Authorization": f"Bearer {running.environment['PROVIDER_API_KEY']}"},
        )
        answer.raise_for_status()
