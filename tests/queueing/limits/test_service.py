"""Many limits a request, all or nothing; what each caller is told, and that nobody pays for another's fault."""

import asyncio
from typing import NoReturn

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from kit.clock import SteppedClock
from kit.errors import DomainError, Unavailable
from kit.redis import connect
from kit.settings import RedisSettings
from queueing.limits.decisions import Decision
from queueing.limits.policy import DAY_US, HOUR_US, SECOND_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from queueing.limits.terms import CHECKS_MAX
from tests.queueing.limits.scene import Ear, Server, take_all

ADDRESS = LimitPolicy("address", 100, HOUR_US)
USER = LimitPolicy("user", 5, HOUR_US)
DEVICE = LimitPolicy("device", 10, HOUR_US)
SALE = LimitPolicy("sale", 1000, HOUR_US, shared=True)
ITEM = LimitPolicy("item", 500, HOUR_US, shared=True)
ROUTE = LimitPolicy("route", 2000, HOUR_US, shared=True)


def six(user: str = "u1", address: str = "192.0.2.1") -> list[Check]:
    keys = (address, user, f"phone of {user}", "double11", "headphones", "reserve")
    return [
        Check(policy, key)
        for policy, key in zip((ADDRESS, USER, DEVICE, SALE, ITEM, ROUTE), keys, strict=True)
    ]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"floodgate_limits_{name}", labels) or 0.0


async def test_six_limits_are_taken_together(limits: Limits, scope: str) -> None:
    decision = await limits.check(six(), scope=scope)
    assert decision.allowed and decision.violated == []
    assert [(s.name, s.remaining) for s in decision.policies] == [
        ("address", 99), ("user", 4), ("device", 9), ("sale", 999), ("item", 499), ("route", 1999),
    ]  # fmt: skip


async def test_a_request_that_one_limit_refuses_takes_nothing_of_the_others(
    limits: Limits, scope: str
) -> None:
    assert await take_all(limits, six(), scope) == 5
    before = await limits.peek(six("u2"), scope=scope)
    refused = await limits.check(six(), scope=scope)
    assert not refused.allowed and refused.violated == ["user"]
    after = await limits.peek(six("u2"), scope=scope)
    assert [s.remaining for s in after.policies] == [s.remaining for s in before.policies]
    assert next(s.remaining for s in after.policies if s.name == "sale") == 995


async def test_every_limit_that_refuses_is_named_and_the_longest_wait_counts(
    limits: Limits, scope: str
) -> None:
    hourly, daily = LimitPolicy("hourly", 1, HOUR_US), LimitPolicy("daily", 1, DAY_US)
    checks = [Check(hourly, "a"), Check(daily, "a"), Check(ROUTE, "reserve")]
    assert (await limits.check(checks, scope=scope)).allowed
    refused = await limits.check(checks, scope=scope)
    assert refused.violated == ["hourly", "daily"]
    assert 86_000 < refused.retry_after_seconds <= 86_400


async def test_a_cost_takes_so_many_units_at_once_or_none(limits: Limits, scope: str) -> None:
    checks = [Check(USER, "a")]
    assert (await limits.check(checks, 3, scope=scope)).policies[0].remaining == 2
    refused = await limits.check(checks, 3, scope=scope)
    assert not refused.allowed and refused.policies[0].remaining == 2
    assert (await limits.check(checks, 2, scope=scope)).allowed


async def test_peeking_tells_what_would_be_and_takes_nothing(limits: Limits, scope: str) -> None:
    checks = [Check(USER, "a")]
    assert (await limits.peek(checks, 5, scope=scope)).allowed
    await limits.check(checks, 1, scope=scope)
    peeked = await limits.peek(checks, 5, scope=scope)
    assert not peeked.allowed and peeked.violated == ["user"] and peeked.policies[0].remaining == 4
    assert not await limits.refund(peeked)
    assert await take_all(limits, checks, scope) == 4


async def test_a_refund_gives_back_what_was_taken_once(limits: Limits, scope: str) -> None:
    taken = await limits.check(six(), 4, scope=scope)
    assert await limits.refund(taken)
    assert not await limits.refund(taken)
    # What filled up in between was not given twice.
    assert [s.remaining for s in (await limits.peek(six(), scope=scope)).policies] == [
        100, 5, 10, 1000, 500, 2000,
    ]  # fmt: skip


async def test_a_refused_request_cannot_be_refunded(limits: Limits, scope: str) -> None:
    await take_all(limits, [Check(USER, "a")], scope)
    refused = await limits.check([Check(USER, "a")], scope=scope)
    assert not await limits.refund(refused)
    assert not (await limits.check([Check(USER, "a")], scope=scope)).allowed


async def test_a_refund_can_be_left_without_waiting_for_it(limits: Limits, scope: str) -> None:
    taken = await limits.check([Check(USER, "a")], 5, scope=scope)
    limits.submit_refund(taken)
    assert (await limits.check([Check(USER, "a")], 5, scope=scope)).allowed


async def test_a_shadow_policy_counts_and_refuses_nobody(limits: Limits, scope: str) -> None:
    tried = LimitPolicy("tried-out", 2, HOUR_US, shadow=True)
    before = counted("checks_total", policy="tried-out", outcome="watched")
    for _ in range(4):
        decision = await limits.check([Check(tried, "a"), Check(USER, "a")], scope=scope)
        assert decision.allowed and decision.violated == []
    assert decision.watched == ["tried-out"] and decision.retry_after_seconds == 0
    assert counted("checks_total", policy="tried-out", outcome="watched") == before + 2


async def test_who_comes_near_a_limit_is_counted_before_anybody_is_refused(
    limits: Limits, scope: str
) -> None:
    policy = LimitPolicy("near", 10, HOUR_US)
    before = counted("near_total", policy="near")
    for expected in [0] * 7 + [1, 2, 3]:  # the eighth of ten uses four fifths
        await limits.check([Check(policy, "a")], scope=scope)
        assert counted("near_total", policy="near") == before + expected
    await limits.check([Check(policy, "a")], scope=scope)
    assert counted("near_total", policy="near") == before + 3
    assert counted("checks_total", policy="near", outcome="refused") == 1
    assert counted("checks_total", policy="near", outcome="passed") == 10


async def test_a_batch_of_passed_refused_and_watched_requests_is_counted_one_by_one(
    limits: Limits, scope: str
) -> None:
    """In one batch: others that ask alike stand between, and what a refusal leaves untouched has let nothing pass."""
    mine, wide = LimitPolicy("mixed", 3, HOUR_US), LimitPolicy("mixed-wide", 100, HOUR_US)
    tried = LimitPolicy("mixed-tried", 1, HOUR_US, shadow=True)
    checks = [Check(mine, "a"), Check(wide, "a"), Check(tried, "a")]
    decisions = await asyncio.gather(
        *(limits.check(checks if n % 2 else [Check(USER, f"k{n}")], scope=scope) for n in range(10))
    )
    assert [d.allowed for d in decisions] == [True] * 7 + [False, True, False]
    told = {
        (name, outcome): counted("checks_total", policy=name, outcome=outcome)
        for name in ("mixed", "mixed-wide", "mixed-tried")
        for outcome in ("passed", "refused", "watched")
    }
    assert {key: count for key, count in told.items() if count} == {
        ("mixed", "passed"): 3, ("mixed", "refused"): 2, ("mixed-wide", "passed"): 3,
        ("mixed-tried", "passed"): 1, ("mixed-tried", "watched"): 4,
    }  # fmt: skip


async def test_scopes_count_apart(limits: Limits, scope: str) -> None:
    assert await take_all(limits, [Check(USER, "a")], scope) == 5
    assert await take_all(limits, [Check(USER, "a")], f"{scope}-other") == 5


async def test_a_batch_is_one_round_trip(store: Redis, settings: LimitSettings, scope: str) -> None:
    """A thousand requests that come at once are a handful of calls."""
    limits = Limits(store, settings, SteppedClock())
    before = counted("batch_seconds_count")
    checks = [Check(ROUTE, "reserve")]
    decisions = await asyncio.gather(*(limits.check(checks, scope=scope) for _ in range(1000)))
    assert all(decision.allowed for decision in decisions)
    assert counted("batch_seconds_count") - before == -(-1000 // settings.batch_max)
    await limits.stop()


async def test_everybody_is_told_exactly_once_and_in_order(limits: Limits, scope: str) -> None:
    ears = [Ear() for _ in range(700)]
    order: list[int] = []
    for number, ear in enumerate(ears):
        limits.submit([Check(ROUTE, "reserve")], 1, _Ordered(ear, number, order), scope=scope)
    await limits.stop()
    assert [ear.heard for ear in ears] == [1] * 700
    assert order == list(range(700))


async def test_checks_that_nobody_can_mean_are_refused_to_their_caller_alone(
    limits: Limits, scope: str
) -> None:
    waiting = asyncio.create_task(limits.check([Check(USER, "a")], scope=scope))
    await asyncio.sleep(0)
    many = [Check(LimitPolicy(f"p{n}", 1, HOUR_US), "a") for n in range(CHECKS_MAX + 1)]
    for checks, cost in (([], 1), (many, 1), ([Check(USER, "a")] * 2, 1), ([Check(USER, "a")], 6)):
        with pytest.raises(ValueError, match=r"limits|units"):
            limits.submit(checks, cost, Ear(), scope=scope)
    assert (await waiting).allowed


async def test_keys_of_any_length_and_any_characters_are_counted_apart(
    limits: Limits, store: Redis, scope: str
) -> None:
    keys = ["a" * 5000, "a" * 5001, "\udcff", "\x00", "名字", "}{", "user=a", "#", "a" * 41, ""]
    for key in keys:
        assert await take_all(limits, [Check(USER, key)], scope) == 5
    stored = [key async for key in store.scan_iter(match=f"*{scope}*", count=1000)]
    assert len(stored) == len(keys)
    assert max(map(len, stored)) < 100


async def test_a_member_that_redis_will_not_serve_fails_alone(
    server: Server, own_store: Redis, scope: str
) -> None:
    """A key that the process may not touch makes Redis refuse the whole call; halves find whose it is."""
    await own_store.acl_setuser(
        "gateway", enabled=True, passwords=["+p"], keys=["l:*user*", "l:{processes}"], commands=["+@all"]
    )
    client = connect(server.url.replace("//", "//gateway:p@"), RedisSettings(), purpose="limits")
    limits = Limits(client, LimitSettings(answer_seconds_max=10), SteppedClock())
    asking = [limits.check([Check(ADDRESS if n == 37 else USER, f"k{n}")], scope=scope) for n in range(100)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Unavailable)] == [37]
    assert all(isinstance(a, Decision) and a.allowed for n, a in enumerate(answers) if n != 37)
    await limits.stop()
    await client.aclose()


async def test_a_sink_that_fails_costs_the_others_nothing(limits: Limits, scope: str) -> None:
    ear = Ear()
    limits.submit([Check(USER, "a")], 1, _Broken(), scope=scope)
    limits.submit([Check(USER, "a")], 1, ear, scope=scope)
    await limits.stop()
    assert [decision.allowed for decision in ear.told] == [True]


async def test_who_leaves_while_waiting_keeps_nobody_else_from_an_answer(limits: Limits, scope: str) -> None:
    asking = [asyncio.create_task(limits.check([Check(ROUTE, "r")], scope=scope)) for _ in range(10)]
    await asyncio.sleep(0)
    asking[3].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(a, Decision) for a in answers] == [n != 3 for n in range(10)]


async def test_scripts_that_redis_has_forgotten_are_loaded_again(
    limits: Limits, store: Redis, scope: str
) -> None:
    await limits.check([Check(USER, "a")], scope=scope)
    await store.script_flush()
    assert (await limits.check([Check(USER, "a")], scope=scope)).policies[0].remaining == 3


async def test_beyond_the_bound_people_are_sent_back_at_once(store: Redis, scope: str) -> None:
    limits = Limits(store, LimitSettings(waiting_max=2, answer_seconds_max=10), SteppedClock())
    answers = await asyncio.gather(
        *(limits.check([Check(ROUTE, "r")], scope=scope) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
    await limits.stop()


async def test_who_has_waited_too_long_is_told_so_and_nothing_is_taken(store: Redis, scope: str) -> None:
    limits = Limits(store, LimitSettings(waiting_seconds_max=1e-9, answer_seconds_max=10), SteppedClock())
    with pytest.raises(Unavailable):
        await limits.check([Check(USER, "a")], scope=scope)
    await limits.stop()
    patient = Limits(store, LimitSettings(answer_seconds_max=10), SteppedClock())
    assert await take_all(patient, [Check(USER, "a")], scope) == 5
    await patient.stop()


async def test_a_rate_comes_back_with_time_and_not_before(limits: Limits, scope: str) -> None:
    fast = [Check(LimitPolicy("fast", 20, SECOND_US, burst=1), "a")]
    loop = asyncio.get_running_loop()
    passed, start = 0, loop.time()
    while passed < 10:
        decision = await limits.check(fast, scope=scope)
        passed += decision.allowed
        if not decision.allowed:
            await asyncio.sleep(decision.retry_after_seconds)
    assert loop.time() - start >= 9 / 20 - 0.001


class _Ordered:
    def __init__(self, ear: Ear, number: int, order: list[int]) -> None:
        self._ear, self._number, self._order = ear, number, order

    def tell(self, answer: Decision) -> None:
        self._order.append(self._number)
        self._ear.tell(answer)

    def refuse(self, error: DomainError) -> None:
        self._ear.refuse(error)


class _Broken:
    def tell(self, answer: Decision) -> NoReturn:
        raise RuntimeError

    def refuse(self, error: DomainError) -> NoReturn:
        raise RuntimeError
