"""The algorithm in whole ticks: exact however long it runs, never more than the rate in any window."""

from fractions import Fraction
from itertools import accumulate
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from queueing.limits import rules
from queueing.limits.policy import SECOND_US, LimitPolicy

patient = settings(deadline=None)  # the machine of the tests is busy

policies = st.builds(
    LimitPolicy,
    st.just("any"),
    st.integers(1, 50),
    st.integers(50, 10 * SECOND_US),
    st.integers(1, 30),
)
pauses_us = st.lists(st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 2 * SECOND_US)), max_size=60)


def passed_at(policy: LimitPolicy, times_us: list[int]) -> list[int]:
    """The times at which a request of one unit passes, of those at which one comes."""
    tat, passed = 0, []
    for now_us in times_us:
        now = now_us * policy.denominator
        ahead = rules.ahead_at(tat, now, policy.capacity)
        if rules.passes(ahead, policy.interval, policy.capacity):
            tat = now + ahead + policy.interval
            passed.append(now_us)
    return passed


@given(policies, pauses_us)
@patient
def test_no_window_lets_more_pass_than_burst_and_rate(policy: LimitPolicy, pauses: list[int]) -> None:
    """In particular not twice the quota around the boundary of a window, for there are no windows."""
    passed = passed_at(policy, list(accumulate(pauses, initial=10**9)))
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            most = policy.burst + Fraction((passed[last] - begin) * policy.quota, policy.window_us)
            assert last - first + 1 <= most


@given(policies, pauses_us)
@patient
def test_a_request_is_refused_only_when_the_rate_says_so(policy: LimitPolicy, pauses: list[int]) -> None:
    """The same as a bucket of tokens in exact fractions that fills continuously."""
    tokens, before, expected = Fraction(policy.burst), 10**9, []
    times = list(accumulate(pauses, initial=10**9))
    for now_us in times:
        tokens = min(
            Fraction(policy.burst), tokens + Fraction((now_us - before) * policy.quota, policy.window_us)
        )
        before = now_us
        if tokens >= 1:
            tokens -= 1
            expected.append(now_us)
    assert passed_at(policy, times) == expected


def test_three_every_seven_seconds_do_not_drift_in_a_year() -> None:
    """A greedy caller who asks each microsecond at which something could pass gets exactly 3 × windows + burst."""
    policy = LimitPolicy("odd", 3, 7 * SECOND_US, burst=1)
    tat, passed, now_us, end_us = 0, 0, 0, 31_536_000 * SECOND_US // 100
    while now_us < end_us:
        now = now_us * policy.denominator
        ahead = rules.ahead_at(tat, now, policy.capacity)
        wait = rules.wait(ahead, policy.interval, policy.capacity)
        if wait == 0:
            tat, passed = now + ahead + policy.interval, passed + 1
        # The first whole microsecond at which it can pass: the third of it that is lost is not lost to the bucket.
        now_us += -(-max(wait, 1) // policy.denominator)
    assert passed == 3 * end_us // (7 * SECOND_US) + 1


@given(policies, st.integers(0, 10**6), st.integers(1, 5))
@patient
def test_after_the_stated_wait_it_passes_and_a_tick_earlier_it_does_not(
    policy: LimitPolicy, used: int, cost: int
) -> None:
    capacity, price = policy.capacity, min(cost, policy.burst) * policy.interval
    ahead = min(used, capacity)
    wait = rules.wait(ahead, price, capacity)
    assert rules.passes(max(0, ahead - wait), price, capacity)
    assert wait == 0 or not rules.passes(ahead - wait + 1, price, capacity)


def kept_after(
    policy: LimitPolicy, steps: list[tuple[int, bool]], draw: Random, refunds_max: int
) -> list[int]:
    """When each unit was taken that was not refunded: a taking at every step, and a refund of any one at some."""
    now_us, tat, refunds = 10**9, 0, 0
    kept: dict[
        int, tuple[int, int]
    ] = {}  # number of the taking → when, and the instant it moved the bucket to
    for number, (pause, refund) in enumerate(steps):
        now_us += pause
        now = now_us * policy.denominator
        if refund and kept and refunds < refunds_max:
            refunds += 1
            until = kept.pop(draw.choice(sorted(kept)))[1]
            tat -= rules.refundable(until, policy.interval, now)
        ahead = rules.ahead_at(tat, now, policy.capacity)
        if rules.passes(ahead, policy.interval, policy.capacity):
            tat = now + ahead + policy.interval
            kept[number] = (now_us, tat)
    return sorted(when for when, _ in kept.values())


steps_with_refunds = st.lists(st.tuples(st.integers(0, SECOND_US), st.booleans()), max_size=40)


@given(policies, steps_with_refunds, st.randoms(use_true_random=False), st.sampled_from([1, 3, 40]))
@settings(deadline=None, max_examples=300)
def test_a_refund_never_gives_more_than_was_taken(
    policy: LimitPolicy, steps: list[tuple[int, bool]], draw: Random, refunds_max: int
) -> None:
    """What was taken and not refunded keeps to burst and rate in every window, whichever taking is refunded when.

    Of several refunds in one filling time each may give up to its own cost too much, where the others moved what it
    was measured by: the first never does.
    """
    passed = kept_after(policy, steps, draw, refunds_max)
    refunds = min(refunds_max, sum(refund for _, refund in steps))
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            most = policy.burst + Fraction((passed[last] - begin) * policy.quota, policy.window_us)
            assert last - first + 1 <= most + max(0, refunds - 1)


def test_a_refund_at_once_gives_everything_back_and_a_late_one_nothing() -> None:
    assert rules.refundable(taken_until=1_500, cost=500, now=1_000) == 500
    assert rules.refundable(taken_until=1_500, cost=500, now=1_200) == 300
    assert rules.refundable(taken_until=1_500, cost=500, now=9_000) == 0


@given(st.integers(1, 10_000), st.integers(1, 10**6), st.integers(1, 500))
@patient
def test_the_parts_together_have_the_rate_exactly_and_the_burst_but_for_rounding(
    burst: int, interval: int, processes: int
) -> None:
    slower, capacity = rules.share_of(burst, interval, processes)
    assert Fraction(processes, slower) == Fraction(1, interval)
    assert burst <= processes * (capacity // slower) <= burst + processes - 1
