"""Servers that the environment names are asked for before anything is started."""

import asyncio

from kit.reach import reach_postgres, reach_redis_role
from kit.settings import PostgresSettings, RedisSettings, read_settings

WAIT_SECONDS = 2.0  # they are said to run already


def reach_named_servers() -> None:
    """Raises `StartRefused` for an address of the environment where nothing answers."""
    asyncio.run(_reach_named())


async def _reach_named() -> None:
    postgres, redis = read_settings(PostgresSettings), read_settings(RedisSettings)
    if postgres.database_url:
        await reach_postgres(postgres, wait_seconds=WAIT_SECONDS)
    named = {
        "QUEUE": redis.redis_queue_url,
        "STOCK": redis.redis_stock_url,
        "LIMITS": redis.redis_limits_url,
        "BROKER": redis.redis_broker_url,
    }
    for role, url in named.items():
        if url:
            await reach_redis_role(role, url, redis, wait_seconds=WAIT_SECONDS)
