"""What a waiting shopper costs in Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from kit.embedded.ports import free_port
from kit.embedded.redis import EmbeddedRedis
from kit.lua import run_all
from kit.postgres import Postgres
from kit.redis import connect
from kit.settings import RedisSettings
from queueing import keys, store
from queueing.rooms import RoomPlan, open_room
from queueing.upkeep import load_rooms

SHOPPERS = 200_000
BATCH = 5_000
BYTES_A_SHOPPER_MAX = 24


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedRedis(tmp_path / "redis", port=free_port())
    yield server.start()
    server.stop()


async def test_a_waiting_shopper_costs_at_most_24_bytes_of_redis(
    postgres: Postgres, own_redis: str, plan: RoomPlan
) -> None:
    """All of it, as the server's allocator counts: fields, packing, keys, expiries and the key space's own table."""
    queue = connect(own_redis, RedisSettings(redis_command_seconds=20), purpose="queue")
    async with postgres.unit_of_work() as session:
        await open_room(session, plan)
    await load_rooms(postgres, queue)
    await queue.hset(keys.room(plan.sale_id), "mark", SHOPPERS)
    await _join_all(
        queue, plan.sale_id, range(BATCH, BATCH + 1)
    )  # the script is loaded before the measurement
    before = await _used_bytes(queue)
    await _join_all(queue, plan.sale_id, range(BATCH + 1, SHOPPERS))
    grown = await _used_bytes(queue) - before
    assert int(await queue.hget(keys.room(plan.sale_id), "next")) == SHOPPERS - BATCH
    assert grown / (SHOPPERS - BATCH) <= BYTES_A_SHOPPER_MAX
    bucket, _ = keys.place(plan.sale_id, "user-6000")
    assert await queue.object("encoding", bucket) in {b"ziplist", b"listpack"}
    await queue.aclose()


async def _join_all(queue: Redis, sale_id: str, numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, BATCH):
        numbers_now = range(start, min(start + BATCH, numbers.stop))
        calls = [store.join_call(sale_id, [f"user-{number}"], 0) for number in numbers_now]
        answers = await run_all(queue, calls)
        assert {answer[0] for answer in answers} == {b"first"}


async def _used_bytes(queue: Redis) -> int:
    """What the allocator has given out, without the append-only file's buffer and this client's own."""
    memory = await queue.info("memory")
    return (
        int(memory["used_memory_dataset"])
        + int(memory["used_memory_overhead"])
        - int(memory["mem_aof_buffer"])
        - int(memory["mem_clients_normal"])
    )
