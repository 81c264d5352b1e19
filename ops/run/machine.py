"""What a report was measured on."""

import os
import platform
from pathlib import Path
from typing import Any

from sqlalchemy import text

from kit.errors import DomainError
from kit.postgres import Postgres
from kit.redis import RedisRoles


async def measured_on(postgres: Postgres, redis: RedisRoles) -> dict[str, Any]:
    """The machine and the servers; what cannot be read is None."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _first("/proc/cpuinfo", "model name"),
        "memory_mib": _memory_mib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": await _postgres_version(postgres),
        "redis": await _redis_version(redis),
    }


def _first(file: str, name: str) -> str | None:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _memory_mib() -> int | None:
    total = _first("/proc/meminfo", "MemTotal")
    return None if total is None else int(total.split()[0]) // 1024


async def _postgres_version(postgres: Postgres) -> str | None:
    try:
        async with postgres.read() as session:
            return str(await session.scalar(text("SHOW server_version")))
    except DomainError:
        return None


async def _redis_version(redis: RedisRoles) -> str | None:
    try:
        info: dict[str, Any] = await redis.stock.info("server")
    except Exception:  # noqa: BLE001 - a report without a version number is still a report
        return None
    return str(info.get("redis_version"))
