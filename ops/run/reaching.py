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
    for role, url in redis.urls.items():
        if url:
            await reach_redis_role(role, url, redis, wait_seconds=WAIT_SECONDS)
