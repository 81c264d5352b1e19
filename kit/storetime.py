"""Keeps a `StoreClock` by PostgreSQL's time, which is the one that opens and closes a sale."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy import text

from kit.clock import StoreClock
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.tasks import end_tasks

READ_SECONDS: Final = 2.0  # a clock that is off by a thousandth loses two milliseconds between
_READ: Final = text("SELECT extract(epoch FROM clock_timestamp())")


@asynccontextmanager
async def following(clock: StoreClock, postgres: Postgres) -> AsyncIterator[None]:
    """Reads the time again and again inside; while PostgreSQL is away the clock runs on by itself."""
    running = asyncio.create_task(_follow(clock, postgres), name="store_clock")
    try:
        yield
    finally:
        await end_tasks([running])


async def read_time(clock: StoreClock, postgres: Postgres) -> None:
    """One reading. Raises `Unavailable`."""
    async with postgres.read() as session:
        await session.connection()  # the wait for one is no part of the way
        asked_at = time.monotonic()
        told = await session.scalar(_READ)
        clock.learn(float(told or 0.0), asked_at, time.monotonic())


async def _follow(clock: StoreClock, postgres: Postgres) -> None:
    while True:
        await asyncio.sleep(READ_SECONDS)
        with suppress(Unavailable):
            await read_time(clock, postgres)
