"""A Redis Cluster behind the client of a single server: each node is asked once, and a lost one costs its own slots."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.doorbell import CHANNEL, Doorbells, ring_user
from kit.embedded.cluster import MASTERS, EmbeddedCluster
from kit.errors import StartRefused
from kit.lua import LuaCall, LuaScript, run_all
from kit.reach import place, reach_redis_role
from kit.redis import connect, is_away
from kit.settings import RedisSettings

PATIENCE_SECONDS = 60


def a_script() -> LuaScript:
    """Known to no node yet."""
    return LuaScript(f"-- {uuid4().hex}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture
def keys(redis_cluster: EmbeddedCluster) -> dict[str, str]:
    """A key on each master."""
    found: dict[str, str] = {}
    while len(found) < MASTERS:
        key = f"test:{uuid4().hex}"
        found.setdefault(redis_cluster.master_of(key), key)
    return found


async def test_calls_for_all_nodes_run_once_each_and_are_answered_in_their_order(
    cluster_client: Redis, keys: dict[str, str]
) -> None:
    script = a_script()
    calls = [LuaCall(script, [key], [add]) for add in (1, 10) for key in keys.values()]
    assert await run_all(cluster_client, calls) == [1] * MASTERS + [11] * MASTERS
    assert await script.run(cluster_client, [keys.popitem()[1]], [100]) == 111


async def test_plain_commands_and_pipelines_find_their_nodes(
    cluster_client: Redis, keys: dict[str, str]
) -> None:
    pipeline = cluster_client.pipeline(transaction=False)
    for key in keys.values():
        pipeline.hset(key, "field", key)
        pipeline.hlen(key)
    assert await pipeline.execute() == [1, 1] * MASTERS
    for key in keys.values():
        assert await cluster_client.hget(key, "field") == key.encode()  # type: ignore[misc]
    seconds, _ = await cluster_client.time()
    assert seconds > 0


async def test_a_cluster_is_reached_and_told_of_without_its_password(redis_cluster: EmbeddedCluster) -> None:
    await reach_redis_role("STOCK", redis_cluster.url, RedisSettings(), wait_seconds=0)
    assert place("redis+cluster://user:secret@a:1,b:2") == "a:1,b:2"
    with pytest.raises(StartRefused, match="No Redis answers at 127"):
        await reach_redis_role("STOCK", "redis+cluster://127.0.0.1:1", RedisSettings(), wait_seconds=0)


@pytest.mark.parametrize("url", ["redis+cluster://", "redis+cluster://host", "redis+cluster://a:1,b"])
def test_what_names_no_node_refuses_the_start(url: str) -> None:
    with pytest.raises(StartRefused, match=r"REDIS_STOCK_URL.*redis\+cluster://"):
        connect(url, RedisSettings(), purpose="stock")


@pytest.fixture
def whole_again(redis_cluster: EmbeddedCluster) -> Iterator[list[str]]:
    """Brings back the nodes that a test has named here."""
    killed: list[str] = []
    yield killed
    for name in killed:
        redis_cluster.bring_back(name)


async def test_a_killed_master_costs_its_own_slots_until_its_replica_is_elected(
    redis_cluster: EmbeddedCluster, cluster_client: Redis, keys: dict[str, str], whole_again: list[str]
) -> None:
    script = a_script()
    calls = {name: LuaCall(script, [key], [1]) for name, key in keys.items()}
    assert await run_all(cluster_client, list(calls.values())) == [1] * MASTERS
    bells = Doorbells(cluster_client)
    listening = asyncio.create_task(bells.run())
    await heard(bells, cluster_client)
    dead = redis_cluster.master_of(CHANNEL)  # whose death the listener must notice, too
    whole_again.append(dead)
    redis_cluster.kill(dead)
    answers = dict(zip(calls, await run_all(cluster_client, list(calls.values())), strict=True))
    assert is_away(answers.pop(dead))
    assert list(answers.values()) == [2] * (MASTERS - 1)
    await asyncio.to_thread(redis_cluster.wait_for_successor, dead)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await seen_by_a_pipeline(cluster_client, keys[dead]) == 1
    assert await script.run(cluster_client, [keys[dead]], [1]) == 2
    await heard(bells, cluster_client)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def seen_by_a_pipeline(client: Redis, key: str) -> int:
    """Which must find the new master by itself, too."""
    while True:
        with suppress(RedisError):
            pipeline = client.pipeline(transaction=False)
            pipeline.get(key)
            return int((await pipeline.execute())[0])
        await asyncio.sleep(0.05)


async def heard(bells: Doorbells, ringer: Redis) -> None:
    """Returns once a ring for Ada has reached who listens for her."""
    async with asyncio.timeout(PATIENCE_SECONDS), bells.listen("ada") as bell:
        while not bell.is_set():
            await ring_user(ringer, "ada")
            await asyncio.sleep(0.05)
