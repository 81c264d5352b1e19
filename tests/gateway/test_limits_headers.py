"""What a client is told of its limits, in the form of draft-ietf-httpapi-ratelimit-headers-11."""

import re
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import PROBLEMS
from gateway.limits_headers import (
    REMAINING_MAX,
    SECONDS_MAX,
    limit_headers,
    limit_problem,
    policy_field,
)
from kit.web.problems import Problems
from queueing.limits.decisions import Decision
from queueing.limits.errors import CapacityReduced, QuotaExceeded, refusal
from queueing.limits.policy import DAY_US, SECOND_US, Check, LimitPolicy
from queueing.limits.terms import Mode, terms_of_checks

# A List of Strings with parameters that are Integers (RFC 9651, 3.1 and 3.3.1), as these fields use it.
ITEM: Final = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]*)"((?:;[a-z*][a-z0-9_.*-]*=-?\d{1,15})*)')

USER = LimitPolicy("user", 10, 60 * SECOND_US)
DAILY = LimitPolicy("daily", 1000, DAY_US)
SALE = LimitPolicy("sale", 5000, SECOND_US, shared=True)
TRIED = LimitPolicy("tried", 1, DAY_US, shadow=True)


def parsed(field: str) -> dict[str, dict[str, int]]:
    """The field as a client reads it; refuses what a strict parser must refuse."""
    items: dict[str, dict[str, int]] = {}
    for part in field.split(", "):
        match = ITEM.fullmatch(part)
        assert match is not None, part
        items[match[1]] = {
            name: int(value) for name, value in (p.split("=") for p in match[2].split(";")[1:])
        }
    return items


def decided(*used: tuple[LimitPolicy, int], cost: int = 1) -> Decision:
    """A decision at the end of which so many units of each policy are used; refused where more would be."""
    checks, ahead = [], []
    for policy, units in used:
        whole, rest = divmod(units * policy.interval, policy.denominator)
        exceeded = units + cost > policy.burst
        checks.append(Check(policy, "k"))
        ahead += [-1 - whole if exceeded else whole, rest]
    allowed = all(whole >= 0 or check.policy.shadow for whole, check in zip(ahead[::2], checks, strict=True))
    terms = terms_of_checks(Mode.TAKE, checks, cost)
    return Decision(allowed, "s", checks, terms, 1_800_000_000_000_000, ahead)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (USER, '"user";q=10;w=60'),
        (DAILY, '"daily";q=1000;w=86400'),
        (LimitPolicy("odd", 3, 7 * SECOND_US), '"odd";q=3;w=7'),
        (LimitPolicy("burst", 100, 60 * SECOND_US, burst=20), '"burst";q=100;w=60;floodgate-burst=20'),
        (LimitPolicy("half", 10, SECOND_US // 2), '"half";q=20;w=1;floodgate-burst=10'),
        (LimitPolicy("fastest", 1, 1), '"fastest";q=1000000;w=1;floodgate-burst=1'),
        (
            LimitPolicy("uneven", 3, 1_000_001),
            '"uneven";q=5;w=2;floodgate-burst=3',
        ),  # never more than the rate
        (SALE, ""),
        (TRIED, ""),
    ],
)
def test_a_policy_is_told_in_whole_seconds(policy: LimitPolicy, field: str) -> None:
    assert policy_field([policy]) == field


def test_an_allowed_request_is_told_what_is_left_of_each_limit_of_its_own() -> None:
    headers = limit_headers(decided((USER, 4), (DAILY, 900), (SALE, 17), (TRIED, 0)))
    assert headers == {
        "RateLimit-Policy": '"user";q=10;w=60, "daily";q=1000;w=86400',
        "RateLimit": '"user";r=6;t=36, "daily";r=100;t=8640',
    }


def test_a_refusal_is_told_of_the_limits_that_refused_and_when_to_come_back() -> None:
    headers = limit_headers(decided((USER, 10), (DAILY, 900)))
    assert headers == {
        "RateLimit-Policy": '"user";q=10;w=60, "daily";q=1000;w=86400',
        "RateLimit": '"user";r=0;t=6',
        "Retry-After": "6",
    }


def test_what_all_share_or_only_watches_is_told_to_nobody() -> None:
    assert limit_headers(decided((SALE, 5000), (TRIED, 1))) == {"Retry-After": "1"}


policies = st.builds(
    LimitPolicy,
    st.just("any"),
    st.integers(1, 5000),
    st.integers(5000, 5000 * SECOND_US),
    st.integers(1, 5000),
)


@given(policies, st.integers(0, 5000), st.integers(1, 50))
@settings(deadline=None)
def test_pacing_by_the_field_never_exceeds_the_policy(policy: LimitPolicy, used: int, cost: int) -> None:
    """`r` units spread over `t` keep to the rate, so that a client that does as told is never refused."""
    decision = decided((policy, min(used, policy.burst)), cost=min(cost, policy.burst))
    told = parsed(limit_headers(decision)["RateLimit"])["any"]
    assert 0 <= told["r"] <= REMAINING_MAX and 1 <= told["t"] <= SECONDS_MAX
    if decision.allowed and told["t"] < SECONDS_MAX:
        assert Fraction(told["r"], told["t"]) <= Fraction(policy.quota * SECOND_US, policy.window_us)
    advertised = parsed(policy_field([policy]))["any"]
    assert Fraction(advertised["q"], advertised["w"]) <= Fraction(policy.quota * SECOND_US, policy.window_us)


@given(policies, policies, st.integers(1, 5000), st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_retry_after_is_never_before_any_t_nor_before_the_request_can_pass(
    first: LimitPolicy, second: LimitPolicy, cost: int, jitter: float
) -> None:
    cost = min(cost, first.burst, second.burst)
    second = LimitPolicy("other", second.quota, second.window_us, second.burst)
    decision = decided((first, first.burst), (second, second.burst), cost=cost)
    headers = limit_headers(decision, jitter)
    seconds = int(headers["Retry-After"])
    assert all(seconds >= item["t"] for item in parsed(headers["RateLimit"]).values())
    assert seconds >= decision.retry_after_seconds or seconds >= SECONDS_MAX
    plain = int(limit_headers(decision)["Retry-After"])
    assert plain <= seconds <= plain + 6


def test_numbers_that_would_frighten_a_client_are_capped() -> None:
    large = LimitPolicy("large", 100_000_000, 100 * DAY_US)
    assert parsed(limit_headers(decided((large, 0)))["RateLimit"])["large"]["r"] == REMAINING_MAX
    yearly = LimitPolicy("slow", 1, DAY_US, burst=300)
    headers = limit_headers(decided((yearly, 300), cost=300))
    assert parsed(headers["RateLimit"])["slow"] == {"r": 0, "t": SECONDS_MAX}
    assert headers["Retry-After"] == str(SECONDS_MAX)


@pytest.fixture
def problems() -> Problems:
    return Problems(PROBLEMS)


def test_a_caller_beyond_its_quota_meets_the_registered_problem_type(problems: Problems) -> None:
    error = refusal(decided((USER, 10), (DAILY, 1000), (SALE, 0), (TRIED, 1)))
    assert type(error) is QuotaExceeded and error.retry_after_seconds == pytest.approx(86.4)
    status, document = limit_problem(problems, error, "en")
    assert status == document["status"] == 429
    assert document["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert document["violated-policies"] == ["user", "daily"]
    assert document["code"] == "quota_exceeded"


def test_a_full_house_is_not_blamed_on_the_caller(problems: Problems) -> None:
    error = refusal(decided((USER, 1), (SALE, 5000)))
    assert type(error) is CapacityReduced
    status, document = limit_problem(problems, error, "zh-CN")
    assert status == document["status"] == 503
    assert document["type"] == "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    assert document["violated-policies"] == ["sale"]
    assert document["title"] == "系统繁忙"


def test_none_of_the_withdrawn_fields_is_sent() -> None:
    """`RateLimit-Limit`, `-Remaining` and `-Reset` ended with draft-06; `X-RateLimit-*` never was in one."""
    for decision in (decided((USER, 1)), decided((USER, 10))):
        assert set(limit_headers(decision)) <= {"RateLimit-Policy", "RateLimit", "Retry-After"}
