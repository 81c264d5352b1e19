"""R1: Redis is emptied while the sale goes on. Rows are the truth, so nothing is sold twice and the sale is open again
as soon as the repair has loaded it under a new epoch.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from redis.asyncio import Redis

from ops.faults.controls import without_the_ledgers_word
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.room import Room
from ops.faults.waiting import wait_until

THRICE: Final = 3
RELOAD_SECONDS_MAX: Final = 10.0


async def _flush(room: Room) -> str:
    served = await room.middle()
    async with _redis(room) as client:
        gone = await _empty(client)
    return f"FLUSHALL when {served} were served: {gone} keys gone" if gone else ""


async def _flush_thrice(room: Room) -> str:
    served = await room.middle()
    gone = []
    async with _redis(room) as client:
        for _ in range(THRICE):
            await wait_until(partial(_has_keys, client), RELOAD_SECONDS_MAX)
            await asyncio.sleep(room.dice.uniform(0, 0.05))
            gone.append(await _empty(client))
    told = ", ".join(map(str, gone))
    return f"FLUSHALL {THRICE} times from {served} served on: {told} keys gone" if all(gone) else ""


@asynccontextmanager
async def _redis(room: Room) -> AsyncIterator[Redis]:
    client = Redis.from_url(room.ground.redis_url)
    try:
        yield client
    finally:
        await client.aclose()


async def _has_keys(client: Redis) -> bool:
    return bool(await client.dbsize())


async def _empty(client: Redis) -> int:
    """How many keys are gone."""
    before = int(await client.dbsize())
    await client.flushall()
    return before


async def _flushed(ground: Ground) -> Found:
    return await hold(ground, _flush)


async def _flushed_unguarded(ground: Ground) -> Found:
    async with without_the_ledgers_word(ground):
        return await hold(ground, _flush, repairing=False)


async def _flushed_thrice(ground: Ground) -> Found:
    return await hold(ground, _flush_thrice)


ROWS: Final = (
    FaultRow(
        "R1.flushed",
        "Redis is emptied in mid-sale",
        "抢购中途 Redis 被清空",
        "room",
        _flushed,
        _flushed_unguarded,
    ),
    FaultRow(
        "R1.flushed_three_times",
        "Redis is emptied three times in mid-sale, also while it is being loaded",
        "抢购中途 Redis 被清空三次，包括正在装载之时",
        "room",
        _flushed_thrice,
        _flushed_unguarded,
    ),
)
