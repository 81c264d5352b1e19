"""The script against a second model: exact fractions that know nothing of its digits, on the server's own clock."""

from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import pytest
from redis.asyncio import Redis

from queueing.limits import keys
from queueing.limits.decisions import Decision
from queueing.limits.members import Batch, Member
from queueing.limits.policy import DAY_US, HOUR_US, SECOND_US, Check, LimitPolicy
from queueing.limits.service import DECIDE
from queueing.limits.terms import Mode, terms_of_checks
from tests.queueing.limits.scene import Ear

POLICIES = (
    LimitPolicy("odd", 3, 7 * SECOND_US),
    LimitPolicy("seventh", 7, DAY_US, burst=100),
    LimitPolicy("prime", 999_983, SECOND_US, burst=50),
    LimitPolicy("huge", 10**12 - 11, 10**12, burst=10**6),
    LimitPolicy("fastest", 1_000_000, SECOND_US, burst=30),
    LimitPolicy("daily", 1, DAY_US, burst=30),
    LimitPolicy("watcher", 11, 13 * SECOND_US, burst=5, shadow=True),
)


def member(scope: str, checks: list[Check], cost: int = 1, mode: Mode = Mode.TAKE) -> Member:
    return Member(scope, checks, terms_of_checks(mode, checks, cost), Ear())


async def decide(store: Redis, members: list[Member]) -> list[Decision]:
    batch = Batch(members)
    answer = await DECIDE.run(store, batch.keys, [batch.argument])
    return [decision for _, decisions in batch.read(answer) for decision in decisions]


def bucket_of(scope: str, policy: LimitPolicy, key: str) -> str:
    (bucket,) = keys.buckets(scope, policy.name, [key])
    return bucket


@dataclass
class Model:
    """Buckets as fractions of a microsecond."""

    tats: dict[tuple[str, str], Fraction] = field(default_factory=dict)

    def ahead(self, check: Check, now_us: int) -> Fraction:
        return max(Fraction(0), self.tats.get((check.policy.name, check.key), Fraction(0)) - now_us)

    def apply(self, one: Member, now_us: int) -> tuple[bool, list[Fraction]]:
        units = {c.policy: Fraction(c.policy.window_us, c.policy.quota) for c in one.checks}
        fits = [
            self.ahead(c, now_us) + one.terms.cost * units[c.policy] <= c.policy.burst * units[c.policy]
            for c in one.checks
        ]
        allowed = all(fit or c.policy.shadow for fit, c in zip(fits, one.checks, strict=True))
        for number, check in enumerate(one.checks):
            name = (check.policy.name, check.key)
            if one.terms.mode is Mode.TAKE and allowed and fits[number]:
                self.tats[name] = now_us + self.ahead(check, now_us) + one.terms.cost * units[check.policy]
            elif one.terms.mode is Mode.REFUND:
                until = one.until[2 * number] + Fraction(one.until[2 * number + 1], check.policy.denominator)
                back = min(one.terms.cost * units[check.policy], max(Fraction(0), until - now_us))
                self.tats[name] = now_us + max(Fraction(0), self.ahead(check, now_us) - back)
        return allowed, [self.ahead(check, now_us) for check in one.checks]


def told(decision: Decision) -> list[Fraction]:
    pairs = zip(decision.ahead[::2], decision.ahead[1::2], decision.checks, strict=True)
    return [(-1 - w if w < 0 else w) + Fraction(r, check.policy.denominator) for w, r, check in pairs]


@pytest.mark.parametrize("seed", range(4))
async def test_thousands_of_random_requests_leave_no_fraction_of_a_microsecond_behind(
    store: Redis, scope: str, seed: int
) -> None:
    dice, model = Random(seed), Model()
    receipts: list[Decision] = []
    for _ in range(150):
        batch: list[Member] = []
        for _ in range(dice.randint(1, 20)):
            if receipts and dice.random() < 0.2:
                receipt = receipts.pop(dice.randrange(len(receipts)))
                one = member(scope, list(receipt.checks), receipt.cost, Mode.REFUND)
                one.until = receipt.taken_until()
            else:
                chosen = dice.sample(POLICIES, dice.randint(1, 4))
                mode = dice.choice([Mode.TAKE, Mode.TAKE, Mode.TAKE, Mode.PEEK])
                checks = [Check(policy, dice.choice("abc")) for policy in chosen]
                one = member(scope, checks, dice.randint(1, 3), mode)
            batch.append(one)
        for one, decision in zip(batch, await decide(store, batch), strict=True):
            allowed, ahead = model.apply(one, decision.now_us)
            assert one.terms.mode is Mode.REFUND or decision.allowed == allowed
            assert told(decision) == ahead
            if decision.taken:
                receipts.append(decision)
    assert any(tat.denominator > 1 for tat in model.tats.values())


async def test_a_hundred_thousand_units_of_a_third_add_up_exactly(store: Redis, scope: str) -> None:
    policy = LimitPolicy("odd", 3, 7000, burst=10**6)  # 2333 1/3 µs a unit; the bucket stays busy throughout
    first = (await decide(store, [member(scope, [Check(policy, "a")], 500_000)]))[0]
    start = first.now_us
    for _ in range(100):
        last = (await decide(store, [member(scope, [Check(policy, "a")]) for _ in range(1000)]))[-1]
        assert last.allowed
    stored = await store.get(bucket_of(scope, policy, "a"))
    assert stored is not None
    until = int(stored[:16]) + Fraction(int(stored[16:] or 0), 3)
    assert until == start + Fraction(600_000 * 7000, 3)


async def test_a_bucket_is_one_integer_of_little_memory_that_goes_by_itself(store: Redis, scope: str) -> None:
    whole, third = LimitPolicy("user", 10, SECOND_US * 60), LimitPolicy("odd", 7, SECOND_US * 60)
    user = "user-0123456789abcdef"
    await decide(store, [member(scope, [Check(whole, user), Check(third, user)])])
    for policy in (whole, third):
        bucket = bucket_of(scope, policy, user)
        stored = await store.get(bucket)
        assert stored is not None and stored.isdigit()
        assert await store.memory_usage(bucket) <= 104
        full_in_ms = 60_000 / policy.quota
        assert 0 < await store.pttl(bucket) <= full_in_ms + 2


async def test_what_is_full_again_has_left_no_key(store: Redis, scope: str) -> None:
    fast = LimitPolicy("fast", 1000, SECOND_US)
    await decide(store, [member(scope, [Check(fast, "a")])])
    bucket = bucket_of(scope, fast, "a")
    while await store.exists(bucket):
        pass
    assert (await decide(store, [member(scope, [Check(fast, "a")])]))[0].allowed


@pytest.mark.parametrize(
    "damage", ["", "x", "nan", "inf", "-1", "12", "9" * 40, "1e300", "0x7fffffffffffffff"]
)
async def test_a_bucket_that_cannot_be_read_harms_nobody_and_is_mended(
    store: Redis, scope: str, damage: str
) -> None:
    """At worst it counts as empty, and then it fills as any empty one does."""
    policy = LimitPolicy("user", 10, HOUR_US)
    bucket = bucket_of(scope, policy, "a")
    await store.set(bucket, damage)
    damaged, other = await decide(
        store, [member(scope, [Check(policy, "a")]), member(scope, [Check(policy, "b")])]
    )
    assert other.allowed
    assert damaged.allowed or damaged.retry_after_seconds <= 360
    stored = await store.get(bucket)
    assert stored is not None
    assert int(stored) - damaged.now_us == (HOUR_US // 10 if damaged.allowed else HOUR_US)


async def test_a_bucket_of_another_type_is_written_over(store: Redis, scope: str) -> None:
    policy = LimitPolicy("user", 10, HOUR_US)
    bucket = bucket_of(scope, policy, "a")
    await store.hset(bucket, mapping={"not": "ours"})
    assert (await decide(store, [member(scope, [Check(policy, "a")])]))[0].allowed
    assert await store.type(bucket) == b"string"


async def test_a_server_clock_set_back_by_a_year_costs_one_filling_time(store: Redis, scope: str) -> None:
    policy = LimitPolicy("user", 3, 7 * SECOND_US)
    bucket = bucket_of(scope, policy, "a")
    seconds, _ = await store.time()
    await store.set(bucket, (seconds + 31_536_000) * SECOND_US)
    await decide(store, [member(scope, [Check(policy, "a")], mode=Mode.PEEK)])
    assert await store.get(bucket) == b"%d" % ((seconds + 31_536_000) * SECOND_US), "peeking writes nothing"
    decision = (await decide(store, [member(scope, [Check(policy, "a")])]))[0]
    assert not decision.allowed
    assert decision.retry_after_seconds == pytest.approx(7 / 3)
    assert decision.policies[0].reset_seconds == pytest.approx(7)
    stored = await store.get(bucket)
    assert stored is not None and int(stored[:16]) - decision.now_us == 7 * SECOND_US
    assert await store.pttl(bucket) <= 7002


async def test_a_changed_policy_goes_on_from_where_the_bucket_is(store: Redis, scope: str) -> None:
    """The rest of a microsecond is of the old denominator: less than a microsecond is lost, and never more."""
    old, new = LimitPolicy("user", 7, 60 * SECOND_US), LimitPolicy("user", 3, 60 * SECOND_US, burst=2)
    before = (await decide(store, [member(scope, [Check(old, "a")])]))[0]
    after = (await decide(store, [member(scope, [Check(new, "a")], mode=Mode.PEEK)]))[0]
    moved_us = before.now_us + before.ahead[0] - after.now_us
    assert after.ahead[0] == moved_us
    assert 0 <= after.ahead[1] < new.denominator


async def test_a_batch_counts_in_its_order_like_single_calls(store: Redis, scope: str) -> None:
    policy = LimitPolicy("user", 3, HOUR_US)
    decisions = await decide(store, [member(scope, [Check(policy, "a")]) for _ in range(5)])
    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert [decision.policies[0].remaining for decision in decisions] == [2, 1, 0, 0, 0]


async def test_more_keys_than_lua_can_unpack_at_once_fit_into_one_call(store: Redis, scope: str) -> None:
    policies = [LimitPolicy(f"p{n}", 10, HOUR_US) for n in range(16)]
    batch = [member(scope, [Check(policy, f"k{n}") for policy in policies]) for n in range(256)]
    assert all(decision.allowed for decision in await decide(store, batch))


async def test_peeking_writes_nothing(store: Redis, scope: str) -> None:
    policy = LimitPolicy("user", 3, HOUR_US)
    decision = (await decide(store, [member(scope, [Check(policy, "a")], 2, Mode.PEEK)]))[0]
    assert decision.allowed and not decision.taken
    assert decision.policies[0].remaining == 3
    assert not await store.exists(bucket_of(scope, policy, "a"))
