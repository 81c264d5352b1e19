"""The pure rules: who earns, what a payout does next, how long it waits."""

from dataclasses import replace

import pytest

from rewards import rules
from rewards.rules import Answer, Ask, LastAttempt, Open, RulePlan
from tests.rewards.conftest import cash, points


@pytest.mark.parametrize(
    ("last", "step"),
    [
        (None, Open(1)),
        (LastAttempt(1, "unknown"), Ask(1)),
        (LastAttempt(1, "declined"), Open(2)),
        (LastAttempt(4, "unknown"), Ask(4)),
    ],
)
def test_a_new_number_exists_only_after_a_no(last: LastAttempt | None, step: Open | Ask) -> None:
    assert rules.next_step(last) == step


def _judge(**changes: int | None) -> str:
    facts: dict[str, int | None] = {
        "granted": 0, "first_n": 10, "amount_minor": 5, "budget_left_minor": 100, "earlier_open": 0,
    }  # fmt: skip
    return rules.judge(**(facts | changes))  # type: ignore[arg-type]


def test_the_first_n_earn_and_nobody_after_them() -> None:
    assert _judge(granted=9) == "earned"
    assert _judge(granted=10) == "first_n_reached"
    assert _judge(first_n=None, granted=10_000) == "earned"


def test_a_budget_that_does_not_cover_the_reward_is_spent() -> None:
    assert _judge(budget_left_minor=5) == "earned"
    assert _judge(budget_left_minor=4) == "budget_spent"


def test_at_the_edge_earlier_confirmations_go_first_and_elsewhere_nobody_waits() -> None:
    assert _judge(granted=7, earlier_open=2) == "earned"
    assert _judge(granted=7, earlier_open=3) == "wait_for_earlier"
    assert _judge(first_n=None, budget_left_minor=14, earlier_open=1) == "earned"
    assert _judge(first_n=None, budget_left_minor=14, earlier_open=2) == "wait_for_earlier"


def test_a_decline_is_final_when_the_provider_says_so_or_at_the_last_number() -> None:
    assert not rules.is_final(1, Answer("declined", retryable=True))
    assert rules.is_final(1, Answer("declined", retryable=False))
    assert rules.is_final(rules.ATTEMPTS_MAX, Answer("declined", retryable=True))


def test_waits_double_and_are_bounded() -> None:
    assert [rules.decline_wait_seconds(number) for number in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert [rules.unknown_wait_seconds(age) for age in (0, 7, 10_000)] == [1, 7, 60]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"provider_key": "p:1"},
        {"provider_key": "p:1", "state": "pending"},
        {"provider_key": "p:2", "state": "paid"},
        {"provider_key": "p:1", "state": 7},
    ],
)
def test_what_is_not_understood_is_unknown(answer: dict[str, object]) -> None:
    assert rules.read_answer("p:1", answer) == rules.UNKNOWN


def test_an_answer_is_read_in_our_words() -> None:
    said = {"provider_key": "p:1", "state": "paid", "reference": "r\x00"}
    assert rules.read_answer("p:1", said) == Answer("paid", reference="r")
    declined = rules.read_answer("p:1", {"provider_key": "p:1", "state": "declined", "retryable": "yes"})
    assert declined == Answer("declined", reason="declined", retryable=False)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (replace(points(), amount_minor=0), "amount_minor"),
        (replace(points(), budget_minor=9), "budget_minor"),
        (replace(points(), first_n=0), "first_n"),
        (replace(points(), currency="CNY"), "currency"),
        (replace(points(), coupon_code="X"), "coupon_code"),
        (replace(cash(), currency="PTS"), "currency"),
        (replace(points(), kind="coupon", currency="CPN"), "coupon_code"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named_by_its_field(plan: RulePlan, field: str) -> None:
    fault = rules.find_fault(plan)
    assert fault is not None
    assert fault[0] == field


def test_a_sound_rule_has_no_fault() -> None:
    for plan in (points(), cash(), replace(points(), kind="coupon", currency="CPN", coupon_code="NEW10")):
        assert rules.find_fault(plan) is None
