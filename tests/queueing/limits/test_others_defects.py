"""What was found wrong in other limiters, each shown not to be so here. The name says whose defect and which."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from gateway.limits_headers import limit_headers
from kit.clock import SteppedClock
from kit.embedded.wire import ALWAYS, Wire
from kit.redis import connect
from kit.settings import RedisSettings
from queueing.limits import keys
from queueing.limits.policy import DAY_US, HOUR_US, SECOND_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from tests.queueing.limits.scene import Server, take_all

USER = LimitPolicy("user", 2, HOUR_US)


async def test_fastapi_limiter_ignored_who_asked_and_gave_all_one_bucket(limits: Limits, scope: str) -> None:
    passed = [(await limits.check([Check(USER, f"192.0.2.{n}")], scope=scope)).allowed for n in range(5)]
    assert passed == [True] * 5


async def test_fastapi_limiter_refused_without_saying_when_to_come_back(limits: Limits, scope: str) -> None:
    await take_all(limits, [Check(USER, "a")], scope)
    headers = limit_headers(await limits.check([Check(USER, "a")], scope=scope))
    assert 1 <= int(headers["Retry-After"]) <= 1800


async def test_slowapi_held_the_event_loop_while_redis_thought(limits: Limits, scope: str) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    await limits.check([Check(USER, "a")], scope=scope)
    running.cancel()
    assert turns > 1


async def test_slowapi_wrote_a_sentence_into_retry_after(limits: Limits, scope: str) -> None:
    policy = LimitPolicy("minute", 100, 60 * SECOND_US)
    await take_all(limits, [Check(policy, "a")], scope)
    headers = limit_headers(await limits.peek([Check(policy, "a")], 100, scope=scope))
    assert headers["Retry-After"].isdigit()


async def test_flask_limiter_sent_people_back_too_early_or_into_the_past(limits: Limits, scope: str) -> None:
    policy = LimitPolicy("fast", 10, SECOND_US, burst=1)
    await limits.check([Check(policy, "a")], scope=scope)
    refused = await limits.check([Check(policy, "a")], scope=scope)
    if not refused.allowed:
        assert 0 < refused.retry_after_seconds <= 0.1
        await asyncio.sleep(int(limit_headers(refused)["Retry-After"]))
    assert (await limits.check([Check(policy, "a")], scope=scope)).allowed


async def test_pyrate_limiter_kept_a_log_of_every_hit(limits: Limits, store: Redis, scope: str) -> None:
    policy = LimitPolicy("route", 10_000, DAY_US)
    checks = [Check(policy, "a")]
    await limits.check(checks, scope=scope)
    (bucket,) = keys.buckets(scope, "route", ["a"])
    after_one = await store.memory_usage(bucket)
    await asyncio.gather(*(limits.check(checks, scope=scope) for _ in range(3000)))
    assert await store.memory_usage(bucket) == after_one


@pytest.mark.parametrize("ahead", [timedelta(days=365), timedelta(days=-365)])
async def test_pyrate_limiter_believed_the_clock_of_each_application(
    store: Redis, settings: LimitSettings, scope: str, ahead: timedelta
) -> None:
    right = Limits(store, settings, SteppedClock())
    wrong = Limits(store, settings, SteppedClock(datetime.now(UTC) + ahead))
    assert await take_all(right, [Check(USER, "a")], scope) == 2
    assert await take_all(wrong, [Check(USER, "a")], scope) == 0
    assert await take_all(right, [Check(USER, "a")], scope) == 0
    await right.stop()
    await wrong.stop()


async def test_gubernator_gave_everything_back_at_the_end_of_a_window(limits: Limits, scope: str) -> None:
    """An empty bucket of a hundred in half a minute has what has come back since: not nothing, and never all at once."""
    policy = LimitPolicy("slower", 100, 30 * SECOND_US)
    checks = [Check(policy, "a")]
    assert (await limits.check(checks, 100, scope=scope)).allowed
    await asyncio.sleep(0.6)
    some = (await limits.peek(checks, scope=scope)).policies[0].remaining
    assert some >= 2  # it came back bit by bit
    assert not (await limits.check(checks, 100, scope=scope)).allowed  # and not all of it at once


async def test_gubernator_forgot_all_when_it_was_restarted(
    store: Redis, settings: LimitSettings, scope: str
) -> None:
    before = Limits(store, settings, SteppedClock())
    assert await take_all(before, [Check(USER, "a")], scope) == 2
    await before.stop()
    after = Limits(store, settings, SteppedClock())
    assert await take_all(after, [Check(USER, "a")], scope) == 0
    await after.stop()


async def test_envoy_let_twice_the_quota_pass_around_a_boundary(limits: Limits, scope: str) -> None:
    """Whenever it is asked: in a span of L seconds at most burst + rate × L pass."""
    checks = [Check(LimitPolicy("fast", 50, SECOND_US), "a")]
    loop = asyncio.get_running_loop()
    begin, passed = loop.time(), 0
    while loop.time() - begin < 1.0:  # whichever second begins in between
        passed += (await limits.check(checks, scope=scope)).allowed
    assert 50 <= passed <= 50 + 50 * (loop.time() - begin)


async def test_envoy_piled_up_requests_behind_a_redis_that_did_not_answer(server: Server, scope: str) -> None:
    """A half-open connection: the time-out of the socket is far, the bound of the answer near."""
    async with Wire(server.url) as wire:
        client = connect(wire.url, RedisSettings(redis_command_seconds=30), purpose="limits")
        limits = Limits(client, LimitSettings(answer_seconds_max=0.1), SteppedClock())
        wire.silence()
        asking = (limits.check([Check(USER, f"k{n}")], scope=scope) for n in range(500))
        async with asyncio.timeout(15):
            answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == ["Unavailable"] * 500
        await limits.stop()
        await client.aclose()


async def test_limits_had_no_bucket_that_fills_and_no_refund(limits: Limits, scope: str) -> None:
    taken = await limits.check([Check(USER, "a")], 2, scope=scope)
    assert await limits.refund(taken)
    assert (await limits.check([Check(USER, "a")], 2, scope=scope)).allowed


async def test_redis_cell_overflowed_with_large_parameters(limits: Limits, scope: str) -> None:
    policy = LimitPolicy("large", 31_622_400_000_000 - 1, 31_622_400_000_000)
    almost = await limits.check([Check(policy, "a")], policy.burst - 1, scope=scope)
    assert almost.allowed
    assert almost.policies[0].remaining == 1
    assert almost.policies[0].reset_seconds == pytest.approx(31_622_400, abs=1e-3)


async def test_redis_py_ran_a_command_eleven_times_when_its_answer_was_lost(
    server: Server, own_store: Redis, scope: str
) -> None:
    """The check ran once, and its units stay taken; its caller is answered without them. Asking again is another request."""
    async with Wire(server.url) as wire:
        client = connect(wire.url, RedisSettings(), purpose="limits")
        limits = Limits(client, LimitSettings(answer_seconds_max=5), SteppedClock())
        checks = [Check(LimitPolicy("user", 100, DAY_US), "a")]
        await limits.check(checks, scope=scope)
        wire.next("lost_reply", times=ALWAYS)
        with pytest.raises(Exception, match="unavailable"):
            await limits.check(checks, scope=scope)
        assert wire.counts["lost_reply"] == 1
        wire.heal()
        sure = Limits(own_store, LimitSettings(answer_seconds_max=10), SteppedClock())
        assert (await sure.peek(checks, scope=scope)).policies[0].remaining == 98
        await limits.stop()
        await sure.stop()
        await client.aclose()
