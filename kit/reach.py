"""Whether the servers that a process needs can be reached, asked once at its start, answered in one sentence.

Later absences are borne where they happen; a wrong address is told at once to whoever typed it.
"""

import asyncio
import time
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg
from redis.exceptions import AuthenticationError, RedisError

from kit.errors import StartRefused
from kit.primary import Primary
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings

POLL_SECONDS: Final = 0.3
_BOUNDS: Final = {"statement_timeout": "10s", "idle_in_transaction_session_timeout": "15s"}


async def reach_postgres(settings: PostgresSettings, *, wait_seconds: float = 10.0) -> None:
    """Returns once PostgreSQL answers; a server that is only starting is waited for. Raises `StartRefused`."""
    address, primary = settings.database_url, Primary(settings.database_url)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection = await primary.connect(
                timeout=settings.postgres_connect_seconds, statement_cache_size=0
            )
        except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            raise StartRefused(
                f"PostgreSQL at {place(address)} refuses DATABASE_URL ({error}): create the database, or correct the URL."
            ) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            if time.monotonic() >= deadline:
                raise StartRefused(
                    f"No PostgreSQL answers at {place(address)}: start it, correct DATABASE_URL, or unset it to use the "
                    "embedded server."
                ) from error
            await asyncio.sleep(POLL_SECONDS)
        else:
            try:
                if settings.postgres_pooled:
                    await _refuse_unbounded(connection)
            finally:
                await connection.close()
            return


async def _refuse_unbounded(connection: asyncpg.Connection) -> None:
    """Behind a pooler no session carries our bounds, so its role must."""
    for bound, value in _BOUNDS.items():
        if await connection.fetchval("SELECT current_setting($1)", bound) == "0":
            raise StartRefused(
                f"POSTGRES_POOLED is set and {bound} is not: ALTER ROLE … SET {bound} = '{value}', and let the pooler "
                "reconnect."
            )


async def reach_redis(settings: RedisSettings, *, wait_seconds: float = 10.0) -> None:
    """Returns once the Redis of every role answers. Raises `StartRefused`."""
    for role, url in settings.urls.items():
        await reach_redis_role(role, url, settings, wait_seconds=wait_seconds)


async def reach_redis_role(role: str, url: str, settings: RedisSettings, *, wait_seconds: float) -> None:
    """Returns once the Redis of one role (QUEUE, STOCK, LIMITS, BROKER) answers. Raises `StartRefused`."""
    deadline = time.monotonic() + wait_seconds
    client = connect(url, settings, purpose=role.lower())
    try:
        while True:
            try:
                await client.ping()
            except AuthenticationError as error:
                raise StartRefused(
                    f"Redis at {place(url)} refuses the password in REDIS_{role}_URL: correct it."
                ) from error
            except (RedisError, OSError) as error:
                if time.monotonic() >= deadline:
                    raise StartRefused(
                        f"No Redis answers at {place(url)}: start it, correct REDIS_{role}_URL, or unset it to use the "
                        "embedded server."
                    ) from error
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
    finally:
        await client.aclose()


def place(url: str) -> str:
    """Host and port of an address, or its socket folder; never the user or the password in it."""
    parts = urlsplit(url)
    socket_folder = parse_qs(parts.query).get("host", [""])[0]
    host = parts.netloc.rpartition("@")[2] or socket_folder or "that address"
    return f"{host}{parts.path}"
