"""Redis by role. Every time-out is written out and nothing is retried below our code.

redis-py retries each command up to ten times by default, writes too: one INCR whose reply was lost ran eleven
times. Here a lost reply is an unknown outcome, and operation ids make the repeated call harmless.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from kit.cluster import ClusterClient, is_cluster
from kit.errors import StartRefused
from kit.settings import RedisSettings

# What says "Redis cannot serve now", as against a fault of ours in a script.
REDIS_AWAY = (
    RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, ClusterDownError, TryAgainError,
    OSError,
)  # fmt: skip
# Codes that redis-py has no class for, or that a command inside a script met.
_AWAY_PREFIXES = frozenset(
    {
        "LOADING", "OOM", "MISCONF", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS", "BUSY", "READONLY",
    }
)  # fmt: skip
_INSIDE_SCRIPT = re.compile(r"@user_script:.* -([A-Z]+) ")


def is_away(error: BaseException) -> bool:
    """Whether Redis is away, busy loading, out of memory or read-only: outcomes are unknown, the ledger decides."""
    if isinstance(error, REDIS_AWAY):
        return True
    if not isinstance(error, ResponseError):
        return False
    # What a command inside a script met stands at the end of the script's own error, behind a dash (Redis 6.2).
    inside = _INSIDE_SCRIPT.search(str(error))
    return (inside[1] if inside else str(error).split(" ", 1)[0]) in _AWAY_PREFIXES


def connect(url: str, settings: RedisSettings, *, purpose: str) -> Redis:
    """A client for one role; connects at its first command. Raises `StartRefused` for what is no Redis address.

    `redis+cluster://host:port,host:port` (`rediss+cluster` with TLS) names nodes of a cluster; see `kit.cluster`.
    """
    try:
        if is_cluster(url):
            # Rooms use only what both clients have; redis-py gives them no common type.
            return cast(Redis, ClusterClient(url, settings, purpose=purpose))
        return Redis.from_url(
            url,
            client_name=f"floodgate-{purpose}",
            socket_connect_timeout=settings.redis_connect_seconds,
            socket_timeout=settings.redis_command_seconds,
            socket_keepalive=True,
            max_connections=settings.redis_connections_max,
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
            # With notices of maintenance on ("auto"), a pool hands out connections that the server has closed, and the
            # first command on each fails after every restart.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
    except ValueError as error:
        variable = f"REDIS_{purpose.upper()}_URL"
        raise StartRefused(
            f"{variable} must look like redis://host:6379/0 ({error}); unset it to use the embedded server."
        ) from error


@dataclass(frozen=True, slots=True)
class RedisRoles:
    """The three data roles. The broker is Dramatiq's alone and is not among them."""

    queue: Redis
    stock: Redis
    limits: Redis

    @classmethod
    def connect(cls, settings: RedisSettings) -> "RedisRoles":
        return cls(
            queue=connect(settings.redis_queue_url, settings, purpose="queue"),
            stock=connect(settings.redis_stock_url, settings, purpose="stock"),
            limits=connect(settings.redis_limits_url, settings, purpose="limits"),
        )

    async def close(self) -> None:
        for client in (self.queue, self.stock, self.limits):
            with suppress(RedisError, OSError):
                await client.aclose()
