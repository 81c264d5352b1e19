"""On a real cluster node, which refuses a script whose keys lie in more than one slot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from kit.clock import SteppedClock
from kit.embedded.ports import free_cluster_port
from kit.embedded.redis import redis_binary
from queueing.limits import keys
from queueing.limits.policy import HOUR_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from tests.queueing.limits.scene import take_all

USER, SALE = LimitPolicy("user", 5, HOUR_US), LimitPolicy("sale", 100, HOUR_US, shared=True)
SCOPES = ["double11", "a}b", "{", "}", "{}", "", "名字", "x" * 1000, "anywhere"]
SLOTS = 16384
START_SECONDS_MAX = 30


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RedisCluster]:
    """One node that owns every slot."""
    port = free_cluster_port()
    command = [
        redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--dir", str(tmp_path),
        "--save", "", "--logfile", str(tmp_path / "node.log"),
    ]  # fmt: skip
    node = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            await own_every_slot(node, port)
        client = RedisCluster(host="127.0.0.1", port=port)
        yield client
        await client.aclose()
    finally:
        if node.returncode is None:
            node.terminate()
        await node.wait()


async def own_every_slot(node: asyncio.subprocess.Process, port: int) -> None:
    async with Redis(port=port, retry=None) as single:
        while not await answers(single):
            assert node.returncode is None, "the node did not start"
            await asyncio.sleep(0.05)
        await single.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
        while b"cluster_state:ok" not in await single.execute_command("CLUSTER", "INFO"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)


async def answers(single: Redis) -> bool:
    try:
        return bool(await single.ping())
    except (RedisConnectionError, BusyLoadingError):
        return False


@pytest.mark.parametrize("scope", SCOPES)
def test_all_buckets_of_a_scope_lie_in_one_slot(scope: str) -> None:
    buckets = [b for p in ("user", "sale") for b in keys.buckets(scope, p, ["a", "b", "{c}", "}{", "z" * 99])]
    assert len({key_slot(bucket.encode()) for bucket in buckets}) == 1


def test_no_two_scopes_share_a_prefix() -> None:
    assert len({keys.prefix(scope) for scope in SCOPES}) == len(SCOPES)


async def test_many_scopes_are_served_by_a_cluster_all_or_nothing(cluster: RedisCluster) -> None:
    limits = Limits(cluster, LimitSettings(answer_seconds_max=10), SteppedClock())  # type: ignore[arg-type]
    await limits.start()
    for scope in SCOPES:
        assert await take_all(limits, [Check(USER, "a"), Check(SALE, "s")], scope) == 5
        peeked = await limits.peek([Check(SALE, "s")], scope=scope)
        assert peeked.policies[0].remaining == 95
    await limits.stop()


async def test_control_keys_without_a_common_tag_are_refused_by_the_cluster(cluster: RedisCluster) -> None:
    await cluster.initialize()
    with pytest.raises(ResponseError, match="slot"):
        await cluster.execute_command(
            "EVAL", "return 1", 2, "user=a", "sale=b", target_nodes=cluster.get_primaries()[0]
        )
