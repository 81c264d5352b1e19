"""Waiting for what another transaction does, by PostgreSQL's own word, never by a guess at how long it takes."""

import asyncio
from typing import Final

from sqlalchemy import text

from kit.postgres import Postgres, ReadSession

WAIT_SECONDS_MAX: Final = 20.0  # of a busy machine; what has not come by then does not come

_BLOCKED: Final = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))")


async def backend_of(session: ReadSession) -> int:
    """The process of PostgreSQL that serves a session."""
    return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def until_blocked(postgres: Postgres, pid: int, *, waiters: int = 1) -> None:
    """Returns once so many transactions wait for a lock of `pid`."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            async with postgres.read() as session:
                if int(await session.scalar(_BLOCKED, {"pid": pid}) or 0) >= waiters:
                    return
            await asyncio.sleep(0.005)
