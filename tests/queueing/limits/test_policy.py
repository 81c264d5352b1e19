"""What may be called a limit: any exact rate from one a day to a million a second."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queueing.limits.policy import DAY_US, FILLING_US_MAX, SECOND_US, LimitPolicy

TWO_TO_53 = 2**53  # beyond it Lua's numbers have gaps


def test_one_a_day_and_a_million_a_second_are_exact() -> None:
    assert LimitPolicy("daily", 1, DAY_US).shape(1)[:2] == (86_400_000_000, 0)
    assert LimitPolicy("fastest", 1_000_000, SECOND_US).shape(1)[:2] == (1, 0)


def test_three_every_seven_seconds_is_a_third_of_a_microsecond_off_no_whole_one() -> None:
    policy = LimitPolicy("odd", 3, 7 * SECOND_US)
    assert policy.shape(1) == (2_333_333, 1, 7_000_000, 0, 3, 0)
    assert policy.shape(3)[:2] == (7_000_000, 0)
    assert LimitPolicy.at_rate("odd", Fraction(3, 7), 3).shape(1) == policy.shape(1)


@pytest.mark.parametrize(
    ("quota", "window_us"),
    [(0, SECOND_US), (-1, SECOND_US), (1, 0), (1_000_001, SECOND_US), (1, DAY_US + 1), (3, 4 * DAY_US)],
)
def test_what_is_no_rate_is_refused(quota: int, window_us: int) -> None:
    with pytest.raises(ValueError, match=r"rate|positive"):
        LimitPolicy("x", quota, window_us)


@pytest.mark.parametrize("name", ["", "User", "1st", "a" * 33, "with space", 'quo"te', "umläut"])
def test_a_name_that_would_break_a_key_or_a_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        LimitPolicy(name, 1, SECOND_US)


def test_a_bucket_that_fills_in_years_is_refused() -> None:
    LimitPolicy("slow", 1, DAY_US, burst=366)
    with pytest.raises(ValueError, match="within a year"):
        LimitPolicy("slow", 1, DAY_US, burst=367)


@pytest.mark.parametrize("cost", [0, -1, 6])
def test_a_cost_that_can_never_pass_is_refused_at_once(cost: int) -> None:
    with pytest.raises(ValueError, match="1 to 5 units"):
        LimitPolicy("x", 5, SECOND_US).shape(cost)


@given(quota=st.integers(1, 10**12), window_us=st.integers(1, FILLING_US_MAX), data=st.data())
@settings(deadline=None)
def test_no_number_of_the_script_passes_what_lua_keeps_exact(
    quota: int, window_us: int, data: st.DataObject
) -> None:
    """Each shape's parts are whole, put together again they are the exact fraction, and their sums stay below 2^53."""
    try:
        policy = LimitPolicy("any", quota, window_us)
    except ValueError:
        return
    cost = data.draw(st.integers(1, policy.burst))
    cost_us, cost_rest, capacity_us, capacity_rest, denominator, _ = policy.shape(cost)
    assert cost_us + Fraction(cost_rest, denominator) == Fraction(cost * window_us, quota)
    assert capacity_us + Fraction(capacity_rest, denominator) == Fraction(policy.burst * window_us, quota)
    latest_us = 9_999_999_999_999_999 // 2  # the middle of the year 2128
    assert latest_us + capacity_us + cost_us + 1 < TWO_TO_53
    assert 2 * denominator < TWO_TO_53
