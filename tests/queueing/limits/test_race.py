"""Two thousand at once for a hundred units: exactly a hundred pass; without the script, more do."""

import asyncio

from redis.asyncio import Redis

from kit.clock import SteppedClock
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from queueing.limits import keys
from queueing.limits.policy import DAY_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings

CROWD, QUOTA = 2000, 100
POLICY = LimitPolicy("item", QUOTA, DAY_US)


async def test_of_two_thousand_concurrent_callers_exactly_a_hundred_pass(limits: Limits, scope: str) -> None:
    decisions = await asyncio.gather(
        *(limits.check([Check(POLICY, "headphones")], scope=scope) for _ in range(CROWD))
    )
    assert sum(decision.allowed for decision in decisions) == QUOTA


async def test_of_two_thousand_callers_in_four_processes_exactly_a_hundred_pass(
    redis_settings: RedisSettings, settings: LimitSettings, scope: str
) -> None:
    clients = [connect(redis_settings.redis_limits_url, redis_settings, purpose="limits") for _ in range(4)]
    processes = [Limits(client, settings, SteppedClock()) for client in clients]
    checks = [Check(POLICY, "headphones"), Check(LimitPolicy("sale", 10_000, DAY_US), scope)]
    decisions = await asyncio.gather(*(processes[n % 4].check(checks, scope=scope) for n in range(CROWD)))
    assert sum(decision.allowed for decision in decisions) == QUOTA
    left = await processes[0].peek([checks[1]], scope=scope)
    assert left.policies[0].remaining == 10_000 - QUOTA, "a refused request took of the sale's quota"
    for process, client in zip(processes, clients, strict=True):
        await process.stop()
        await client.aclose()


async def test_control_reading_and_then_writing_lets_more_than_a_hundred_pass(
    redis_roles: RedisRoles, scope: str
) -> None:
    """The same algorithm without the script: every caller reads before the first has written."""
    (bucket,) = keys.buckets(scope, POLICY.name, ["headphones"])

    async def read_then_write(store: Redis) -> bool:
        seconds, rest = await store.time()
        now_us = seconds * 1_000_000 + rest
        ahead = max(0, int(await store.get(bucket) or 0) - now_us)
        if ahead + POLICY.interval > POLICY.capacity:
            return False
        await store.set(bucket, now_us + ahead + POLICY.interval)
        return True

    turns = asyncio.Semaphore(32)  # connections; the callers share them

    async def caller() -> bool:
        async with turns:
            return await read_then_write(redis_roles.limits)

    passed = await asyncio.gather(*(caller() for _ in range(CROWD)))
    assert sum(passed) > QUOTA
    await redis_roles.limits.delete(bucket)
