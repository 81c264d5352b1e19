"""What counts as "Redis is away", met on a real server: by a plain command and by one inside a script."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from kit.embedded.redis import EmbeddedRedis
from kit.redis import connect, is_away
from kit.settings import RedisSettings

WRITE = "return redis.call('SET', KEYS[1], 'x')"


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Redis]:
    """A client of a server that this test may spoil."""
    server = EmbeddedRedis(tmp_path)
    client = connect(server.start(), RedisSettings(), purpose="limits")
    yield client
    await client.aclose()
    server.stop()


async def _refusals(client: Redis) -> list[ResponseError]:
    found = []
    for command in (("SET", "k", "x"), ("EVAL", WRITE, "1", "k")):
        with pytest.raises(ResponseError) as refusal:
            await client.execute_command(*command)
        found.append(refusal.value)
    return found


async def test_a_server_without_memory_is_away(alone: Redis) -> None:
    await alone.config_set("maxmemory", 1)
    assert [is_away(error) for error in await _refusals(alone)] == [True, True]


async def test_a_replica_that_takes_no_writes_is_away(alone: Redis) -> None:
    await alone.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert [is_away(error) for error in await _refusals(alone)] == [True, True]


async def test_a_fault_of_ours_is_not(alone: Redis) -> None:
    for script in (
        "return nothing.at.all",
        "return redis.call('HGET', KEYS[1])",
        "return {err='MINE out of luck'}",
    ):
        with pytest.raises(ResponseError) as fault:
            await alone.eval(script, 1, "k")
        assert not is_away(fault.value)


async def test_connections_that_the_server_has_closed_are_not_used_again(alone: Redis) -> None:
    """As after a restart: no command fails for the sake of a connection that lay idle meanwhile."""
    pool = alone.connection_pool
    idle = [await pool.get_connection() for _ in range(3)]
    for connection in idle:
        await pool.release(connection)
    killer = connect(f"redis://127.0.0.1:{pool.connection_kwargs['port']}", RedisSettings(), purpose="limits")
    assert await killer.client_kill_filter(_type="normal", skipme=True) == 3
    await killer.aclose()
    assert await asyncio.gather(*(alone.ping() for _ in range(3))) == [True] * 3
