"""Redis is stopped, hangs, is full or turns read-only: requests are answered in bounded time from a part of the quota.

The worst over-admission is `rules.over_admission_max`: two bursts and one unit a process but the first, for one loss,
however long. It is confirmed here with everything arranged against us: the bucket was emptied just before Redis went,
all processes give their whole part, and Redis comes back with a full bucket.
"""

import asyncio
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from kit.errors import Unavailable
from queueing.limits import rules
from queueing.limits.policy import DAY_US, HOUR_US, SECOND_US, Check, LimitPolicy
from tests.queueing.limits.scene import Fleet, Server, take_all

SLOW = LimitPolicy("item", 30, 30 * DAY_US)  # nothing comes back during a test
PAIR = [Check(SLOW, "a"), Check(LimitPolicy("user", 1000, DAY_US), "u")]


async def test_a_stopped_redis_lets_through_one_burst_more_between_all_processes(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(3)
    await fleet.start()
    assert await fleet.take_all(PAIR, scope) == 30
    await server.stop()
    await fleet.until_away()
    assert await fleet.take_all(PAIR, scope) == 30
    await server.start()
    await fleet.until_back()
    assert await fleet.take_all(PAIR, scope) == 0, "Redis remembers what it gave"


async def test_the_worst_over_admission_is_the_stated_number(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    """Burst 5 among 4 processes: parts of 2 each. The bucket fills while Redis is away, as it does in a long loss."""
    policy = LimitPolicy("user", 5, SECOND_US)
    fleet = make_fleet(4)
    await fleet.start()
    clock = asyncio.get_running_loop()
    begin = clock.time()
    passed = await fleet.take_all([Check(policy, "a")], scope)
    await server.stop()
    await fleet.until_away()
    alone = await fleet.take_all([Check(policy, "a")], scope)
    assert alone == 8  # four parts of two: the local clocks stand still
    await asyncio.sleep(1.1)  # one filling time
    await server.start()
    await fleet.until_back()
    passed += alone + await fleet.take_all([Check(policy, "a")], scope)
    given_by_the_bucket = policy.burst + (clock.time() - begin) * policy.quota
    assert passed <= given_by_the_bucket + rules.over_admission_max(policy.burst, 4)
    assert passed >= 5 + 8 + 5, "the bound is not met by refusing everybody"


async def test_control_whole_quotas_in_every_process_would_break_the_bound(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(4)
    await fleet.start()
    for lease in fleet.leases:
        lease._processes = 1
    await fleet.take_all(PAIR, scope)
    await server.stop()
    for lease in fleet.leases:
        lease.miss(lease._asked)
        lease._processes = 1
    assert await fleet.take_all(PAIR, scope) == 4 * 30 > rules.over_admission_max(30, 4)


async def test_the_local_part_fills_at_its_part_of_the_rate(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    policy = [Check(LimitPolicy("odd", 6, 7 * SECOND_US), "a")]
    fleet = make_fleet(3)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    one = fleet.members[0]
    assert await take_all(one, policy, scope) == 2
    passed = 0
    for _ in range(700):  # seventy seconds in steps of a tenth: a third of 60 units
        fleet.clock.step(0.1)
        passed += await take_all(one, policy, scope)
    assert passed == 20


async def test_a_local_clock_set_back_by_a_day_costs_one_filling_time(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    policy = [Check(LimitPolicy("user", 3, 3 * SECOND_US), "a")]
    fleet = make_fleet(1)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    assert await fleet.take_all(policy, scope) == 3
    fleet.clock.step(-86_400)
    assert await fleet.take_all(policy, scope) == 0
    fleet.clock.step(3)
    assert await fleet.take_all(policy, scope) == 3


async def test_alone_it_is_still_all_or_nothing_with_peek_and_refund(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(2)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    one = fleet.members[0]
    taken = await one.check(PAIR, 10, scope=scope)
    assert taken.degraded and taken.allowed and [s.remaining for s in taken.policies] == [5, 490]
    refused = await one.check(PAIR, 10, scope=scope)
    assert refused.violated == ["item"] and refused.policies[1].remaining == 490
    assert not (await one.peek(PAIR, 6, scope=scope)).allowed
    assert (await one.peek(PAIR, 5, scope=scope)).policies[0].remaining == 5
    assert await one.refund(taken) and not await one.refund(taken)
    assert (await one.peek(PAIR, scope=scope)).policies[0].remaining == 15


async def test_what_costs_more_than_a_part_waits_for_redis(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(3)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    refused = await fleet.members[0].check(PAIR, 11, scope=scope)
    assert refused.violated == ["item"] and refused.retry_after_seconds > 0


async def test_a_process_without_a_lease_serves_nothing(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(1)
    await server.stop()
    await fleet.members[0].start()
    with pytest.raises(Unavailable):
        await fleet.members[0].check(PAIR, scope=scope)


async def test_a_full_local_table_refuses_newcomers_instead_of_forgetting(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(1, local_keys_max=10)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    one = fleet.members[0]
    for number in range(10):
        assert (await one.check([Check(SLOW, f"k{number}")], scope=scope)).allowed
    with pytest.raises(Unavailable):
        await one.check([Check(SLOW, "k10")], scope=scope)
    fleet.clock.step(31 * 86_400)
    one._local._swept = 0.0
    assert (await one.check([Check(SLOW, "k10")], scope=scope)).allowed


async def test_a_refund_that_redis_is_not_there_for_is_lost_and_says_so(
    make_fleet: Callable[..., Fleet], server: Server, scope: str
) -> None:
    fleet = make_fleet(1)
    await fleet.start()
    taken = await fleet.members[0].check(PAIR, scope=scope)
    await server.stop()
    await fleet.until_away()
    assert not await fleet.members[0].refund(taken)


@pytest.mark.parametrize("fault", ["hangs", "is full", "is read-only"])
async def test_a_redis_that_cannot_serve_is_served_for(
    make_fleet: Callable[..., Fleet], own_store: Redis, scope: str, fault: str
) -> None:
    fleet = make_fleet(1, answer_seconds_max=0.3)
    await fleet.start()
    if fault == "hangs":
        await own_store.execute_command("CLIENT", "PAUSE", "1500")
    elif fault == "is full":
        await own_store.config_set("maxmemory", 1)
    else:
        await own_store.execute_command("REPLICAOF", "127.0.0.1", "1")
    decision = await fleet.members[0].check(PAIR, scope=scope)
    assert decision.allowed and decision.degraded
    if fault == "is full":
        await own_store.config_set("maxmemory", 0)
    elif fault == "is read-only":
        await own_store.execute_command("REPLICAOF", "NO", "ONE")
    await fleet.until_back()
    # No late answer of an earlier call is taken for the answer of a later one.
    after = [await fleet.members[0].check(PAIR, scope=scope) for _ in range(5)]
    assert not any(decision.degraded for decision in after)
    first = after[0].policies[0].remaining
    assert [decision.policies[0].remaining for decision in after] == [first - n for n in range(5)]


async def test_a_crowd_that_waits_when_redis_goes_is_answered_to_the_last(
    make_fleet: Callable[..., Fleet], own_store: Redis, scope: str
) -> None:
    fleet = make_fleet(1, answer_seconds_max=0.3)
    await fleet.start()
    await own_store.execute_command("CLIENT", "PAUSE", "5000")
    checks = [Check(LimitPolicy("route", 500, HOUR_US), "r")]
    decisions = await asyncio.gather(*(fleet.members[0].check(checks, scope=scope) for _ in range(2000)))
    assert sum(decision.allowed for decision in decisions) == 500
    assert all(decision.degraded for decision in decisions)
