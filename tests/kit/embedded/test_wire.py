"""The wire that breaks as it is told: what reaches the server, what comes back, and that it counts what it did."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from kit.embedded import ServerUrls
from kit.embedded.wire import Wire
from kit.redis import connect
from kit.settings import RedisSettings


@pytest.fixture
async def wire(servers: ServerUrls) -> AsyncIterator[Wire]:
    async with Wire(servers.redis_stock) as wire:
        yield wire


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[Redis]:
    client = connect(wire.url, RedisSettings(redis_command_seconds=0.3), purpose="wire")
    yield client
    await client.aclose()


async def count(client: Redis, name: str) -> int:
    return int(await client.get(name) or 0)


async def test_what_is_not_broken_passes(client: Redis, sale_id: str) -> None:
    assert await client.incr(sale_id) == 1


async def test_an_answer_is_lost_after_its_request_was_carried_out(
    wire: Wire, client: Redis, sale_id: str
) -> None:
    wire.next("lost_reply", asked=b"INCR")
    assert await count(client, sale_id) == 0  # another request is not meant
    with pytest.raises(RedisConnectionError):
        await client.incr(sale_id)
    assert await count(client, sale_id) == 1
    assert wire.counts["lost_reply"] == 1


async def test_a_request_that_is_reset_does_not_reach_the_server(
    wire: Wire, client: Redis, sale_id: str
) -> None:
    wire.next("reset", asked=b"INCR")
    with pytest.raises(RedisConnectionError):
        await client.incr(sale_id)
    assert await count(client, sale_id) == 0
    assert wire.counts["reset"] == 1


async def test_half_an_answer_is_no_answer(wire: Wire, client: Redis, sale_id: str) -> None:
    await client.set(sale_id, "a long value that is cut in two")
    wire.next("half_reply", asked=b"GET")
    with pytest.raises(RedisConnectionError):
        await client.get(sale_id)
    assert wire.counts["half_reply"] == 1


async def test_a_black_hole_keeps_what_was_sent_and_delivers_it_when_it_is_healed(
    wire: Wire, client: Redis, servers: ServerUrls, sale_id: str
) -> None:
    await client.ping()
    wire.silence()
    with pytest.raises(RedisTimeoutError):
        await client.incr(sale_id)
    assert wire.counts["silenced"] >= 1
    wire.heal()
    assert await count(client, sale_id) in {0, 1}


async def test_late_answers_are_counted(wire: Wire, client: Redis) -> None:
    wire.delay_seconds = 0.01
    await client.ping()
    assert wire.counts["delayed"] >= 1


async def test_a_cut_ends_every_connection_and_the_next_ones_may_lead_elsewhere(
    wire: Wire, client: Redis, servers: ServerUrls
) -> None:
    await client.ping()
    wire.lead_to(servers.redis_broker)
    here = await client.info("server")
    wire.cut()
    with pytest.raises(RedisConnectionError):
        await client.ping()
    there = await client.info("server")
    assert wire.counts["cut"] >= 1
    assert here["run_id"] != there["run_id"]


async def test_it_leads_to_postgresql_too_by_its_socket(servers: ServerUrls) -> None:
    async with Wire(servers.database) as wire:
        connection = await asyncpg.connect(wire.url)
        assert await connection.fetchval("SELECT 1") == 1
        wire.next("lost_reply", asked=b"SELECT 2")
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 2")
        await asyncio.sleep(0)
        await connection.close()
