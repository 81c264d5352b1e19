"""On a real cluster, which refuses a script whose keys lie in more than one slot."""

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from kit.clock import SteppedClock
from kit.lua import LuaScript
from queueing.limits import keys
from queueing.limits.policy import HOUR_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from tests.queueing.limits.scene import take_all

USER, SALE = LimitPolicy("user", 5, HOUR_US), LimitPolicy("sale", 100, HOUR_US, shared=True)
SCOPES = ["double11", "a}b", "{", "}", "{}", "", "名字", "x" * 1000, "anywhere"]


@pytest.mark.parametrize("scope", SCOPES)
def test_all_buckets_of_a_scope_lie_in_one_slot(scope: str) -> None:
    buckets = [b for p in ("user", "sale") for b in keys.buckets(scope, p, ["a", "b", "{c}", "}{", "z" * 99])]
    assert len({key_slot(bucket.encode()) for bucket in buckets}) == 1


def test_no_two_scopes_share_a_prefix() -> None:
    assert len({keys.prefix(scope) for scope in SCOPES}) == len(SCOPES)


async def test_many_scopes_are_served_by_a_cluster_all_or_nothing(cluster_client: Redis) -> None:
    limits = Limits(cluster_client, LimitSettings(answer_seconds_max=10), SteppedClock())
    await limits.start()
    for scope in SCOPES:
        assert await take_all(limits, [Check(USER, "a"), Check(SALE, "s")], scope) == 5
        peeked = await limits.peek([Check(SALE, "s")], scope=scope)
        assert peeked.policies[0].remaining == 95
    await limits.stop()


async def test_control_keys_without_a_common_tag_are_refused_by_the_cluster(cluster_client: Redis) -> None:
    script = LuaScript("return 1")
    with pytest.raises(ResponseError, match="slot"):
        await script.run(cluster_client, ["user=a", "sale=b"], [])
