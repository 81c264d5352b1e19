"""For any shopper and sale exactly one state and one reason: every case in a table, and any mixture of facts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.desk import texts
from ops.desk.facts import Charge, Hold, Line, Reward, ShopperFacts
from ops.desk.rules import CHARGE_STATES, HOLD_STATES, REWARD_STATES, Reason, State, Verdict, find_verdict
from tests.ops.desk.facts import CLOSES, NOW, OPENS, SALE, an_id, charge, facts, hold, line, reward

S, R = State, Reason
BOUGHT = {"holds": (hold("confirmed"),), "charges": (charge("paid"),)}
IN_LINE = {"line": line(5, 3)}

# One line a case: what is known, then the one state and the one reason.
CASES: list[tuple[dict[str, Any], State, Reason]] = [
    # nobody knows of them
    ({}, S.NOT_TAKING_PART, R.NEVER_JOINED),
    ({"now": CLOSES}, S.NOT_TAKING_PART, R.NEVER_JOINED),
    ({"sold_out": True}, S.NOT_TAKING_PART, R.NEVER_JOINED),
    ({"line": line(None, reachable=False)}, S.NOTHING_BOUGHT, R.LINE_UNREACHABLE),
    # in line
    ({"line": line(5, 0), "now": OPENS - timedelta(seconds=1)}, S.WAITING, R.SALE_NOT_OPEN),
    (IN_LINE, S.WAITING, R.BEFORE_TURN),
    ({"line": line(5, 5)}, S.WAITING, R.BEFORE_TURN),
    ({"line": line(5, 3, paused=True)}, S.WAITING, R.LINE_PAUSED),
    ({"line": line(5, 6)}, S.MAY_ENTER, R.TURN_REACHED),
    ({"line": line(5, 6, paused=True)}, S.MAY_ENTER, R.TURN_REACHED),
    ({"line": line(0, 1)}, S.MAY_ENTER, R.TURN_REACHED),
    ({**IN_LINE, "sold_out": True}, S.MISSED, R.SOLD_OUT),
    ({"line": line(5, 6), "sold_out": True}, S.MISSED, R.SOLD_OUT),
    ({**IN_LINE, "now": CLOSES}, S.MISSED, R.SALE_ENDED),
    ({**IN_LINE, "now": CLOSES, "sold_out": True}, S.MISSED, R.SALE_ENDED),
    # holding
    ({"holds": (hold(),)}, S.HOLDING, R.PAYMENT_NOT_STARTED),
    ({"holds": (hold(),), "charges": (charge("created"),)}, S.HOLDING, R.PAYMENT_AWAITED),
    ({"holds": (hold(),), "charges": (charge("refused"),)}, S.HOLDING, R.PAYMENT_REFUSED),
    (
        {"holds": (hold(),), "charges": (charge("created", 12, created_at=NOW), charge("refused"))},
        S.HOLDING,
        R.PAYMENT_AWAITED,
    ),
    ({"holds": (hold(expires_at=NOW),)}, S.HOLDING, R.HOLD_OVERDUE),
    ({"holds": (hold(expires_at=NOW),), "charges": (charge("created"),)}, S.HOLDING, R.HOLD_OVERDUE),
    ({"holds": (hold(), hold("confirmed", 2)), "charges": (charge("paid", serves=an_id(2)),)}, S.HOLDING, R.PAYMENT_NOT_STARTED),
    ({"holds": (hold(), hold("expired", 2)), "sold_out": True}, S.HOLDING, R.PAYMENT_NOT_STARTED),
    # bought
    (BOUGHT, S.BOUGHT, R.NO_REWARD_DUE),
    ({"holds": (hold("confirmed", amount_minor=0),)}, S.BOUGHT, R.NO_REWARD_DUE),
    ({**BOUGHT, "reward_open": True}, S.BOUGHT, R.REWARD_BEING_JUDGED),
    ({**BOUGHT, "reward_open": True, "rewards": (reward("paid"),)}, S.BOUGHT, R.REWARD_BEING_JUDGED),
    ({**BOUGHT, "rewards": (reward(),)}, S.BOUGHT, R.REWARD_UNDER_WAY),
    ({**BOUGHT, "rewards": (reward("paid"), reward())}, S.BOUGHT, R.REWARD_UNDER_WAY),
    ({**BOUGHT, "rewards": (reward("paid"),)}, S.REWARDED, R.REWARD_SENT),
    ({**BOUGHT, "rewards": (reward("blocked", reason="budget_spent"),)}, S.REWARD_BLOCKED, R.REWARD_BUDGET_SPENT),
    ({**BOUGHT, "rewards": (reward("blocked", reason="card_closed"), reward())}, S.REWARD_BLOCKED, R.REWARD_DECLINED),
    ({**BOUGHT, "rewards": (reward("blocked"),)}, S.REWARD_BLOCKED, R.REWARD_DECLINED),
    # bought by a late payment
    (
        {
            "holds": (hold("expired"), hold("confirmed", 2, regrant_of=an_id(1))),
            "charges": (charge("paid", serves=an_id(2)),),
        },
        S.BOUGHT,
        R.NO_REWARD_DUE,
    ),
    # the hold was lost
    ({"holds": (hold("expired"),)}, S.HOLD_LOST, R.HOLD_EXPIRED),
    ({"holds": (hold("expired"),), "line": line(5, 6), "sold_out": True}, S.HOLD_LOST, R.HOLD_EXPIRED),
    ({"holds": (hold("released"),)}, S.HOLD_LOST, R.GIVEN_BACK),
    ({"holds": (hold("expired"), hold("released", 2, ended_at=NOW + timedelta(seconds=1)))}, S.HOLD_LOST, R.GIVEN_BACK),
    ({"holds": (hold("expired"),), "charges": (charge("created"),)}, S.HOLD_LOST, R.PAYMENT_UNRESOLVED),
    ({"holds": (hold("released"),), "charges": (charge("created"),)}, S.HOLD_LOST, R.PAYMENT_UNRESOLVED),
    ({"holds": (hold("expired"),), "charges": (charge("refused"),)}, S.HOLD_LOST, R.HOLD_EXPIRED),
    # money goes back
    ({"holds": (hold("expired"),), "charges": (charge("refund_due", reason="sold_out"),)}, S.REFUND_DUE, R.LATE_PAYMENT_NO_STOCK),
    ({"holds": (hold("expired"),), "charges": (charge("refund_due", reason="limit_reached"),)}, S.REFUND_DUE, R.LATE_PAYMENT_OVER_LIMIT),
    ({"holds": (hold(),), "charges": (charge("refund_due", reason="amount_mismatch"),)}, S.REFUND_DUE, R.WRONG_AMOUNT),
    ({**BOUGHT, "charges": (charge("paid"), charge("refund_due", 12, reason="second_payment"))}, S.REFUND_DUE, R.PAID_TWICE),
    ({"holds": (hold("expired"),), "charges": (charge("refund_due", reason="of tomorrow"),)}, S.REFUND_DUE, R.REFUND_UNDER_WAY),
    ({"holds": (hold("expired"),), "charges": (charge("refund_due"),)}, S.REFUND_DUE, R.REFUND_UNDER_WAY),
    ({"holds": (hold("expired"),), "charges": (charge("refunded", reason="sold_out"),)}, S.REFUNDED, R.MONEY_RETURNED),
    ({**BOUGHT, "charges": (charge("paid"), charge("refunded", 12))}, S.BOUGHT, R.NO_REWARD_DUE),
    ({"holds": (hold("expired"),), "charges": (charge("refunded"), charge("created", 12))}, S.HOLD_LOST, R.PAYMENT_UNRESOLVED),
    # what must not be
    ({"holds": (hold("expired"),), "charges": (charge("paid", serves=None),)}, S.NEEDS_ATTENTION, R.PAID_FOR_NOTHING),
    ({"holds": (hold("expired"),), "charges": (charge("paid"),)}, S.NEEDS_ATTENTION, R.PAID_FOR_NOTHING),
    ({"charges": (charge("paid"),)}, S.NEEDS_ATTENTION, R.PAID_FOR_NOTHING),
    ({"holds": (hold("confirmed"),)}, S.NEEDS_ATTENTION, R.BOUGHT_UNPAID),
    ({"holds": (hold("confirmed"),), "charges": (charge("refunded"),)}, S.NEEDS_ATTENTION, R.BOUGHT_UNPAID),
    ({"rewards": (reward("paid"),)}, S.NEEDS_ATTENTION, R.REWARD_UNEARNED),
    ({"holds": (hold("expired"),), "rewards": (reward(),)}, S.NEEDS_ATTENTION, R.REWARD_UNEARNED),
    ({"holds": (hold(),), "charges": (charge("created", reason="payment_needs_people"),)}, S.NEEDS_ATTENTION, R.PAYMENT_NEEDS_PEOPLE),
    ({**BOUGHT, "charges": (charge("paid", reason="payment_needs_people"),)}, S.NEEDS_ATTENTION, R.PAYMENT_NEEDS_PEOPLE),
    ({"holds": (hold("of tomorrow"),)}, S.NEEDS_ATTENTION, R.RECORD_UNKNOWN),
    ({**BOUGHT, "charges": (charge("of tomorrow"),)}, S.NEEDS_ATTENTION, R.RECORD_UNKNOWN),
    ({**BOUGHT, "rewards": (reward("of tomorrow"),)}, S.NEEDS_ATTENTION, R.RECORD_UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("known", "state", "reason"), CASES)
def test_each_case_has_its_one_answer(known: dict[str, Any], state: State, reason: Reason) -> None:
    assert find_verdict(facts(**known)) == Verdict(state, reason)


def test_the_table_reaches_every_state_and_every_reason() -> None:
    assert {reason for _, _, reason in CASES} == set(Reason)
    assert {state for _, state, _ in CASES} == set(State)


def test_a_reason_belongs_to_one_state() -> None:
    assert len({(state, reason) for _, state, reason in CASES}) == len(Reason)


def test_every_state_and_reason_has_words_in_both_languages() -> None:
    for words in (*texts.STATES.values(), *texts.REASONS.values(), *texts.STEPS.values()):
        assert set(words) == {"zh-CN", "en"}
        assert all(words.values())
    assert set(texts.STATES) == set(State)
    assert set(texts.REASONS) == set(Reason)


moments = st.integers(-120, 7200).map(lambda seconds: OPENS + timedelta(seconds=seconds))
ids = st.integers(0, 4).map(an_id)
ODD = ["of tomorrow"]


def holds() -> st.SearchStrategy[Hold]:
    return st.builds(
        Hold,
        reservation_id=ids,
        sku=st.just("mug"),
        quantity=st.integers(1, 3),
        amount_minor=st.integers(0, 2),
        currency=st.just("CNY"),
        state=st.sampled_from(sorted(HOLD_STATES) + ODD),
        held_at=moments,
        expires_at=moments,
        ended_at=st.none() | moments,
        end_reason=st.sampled_from([None, "paid", "by_user"]),
        regrant_of=st.none() | ids,
    )


def charges() -> st.SearchStrategy[Charge]:
    return st.builds(
        Charge,
        payment_id=ids,
        reservation_id=ids,
        amount_minor=st.integers(0, 2),
        currency=st.just("CNY"),
        state=st.sampled_from(sorted(CHARGE_STATES) + ODD),
        created_at=moments,
        reason=st.sampled_from(
            [
                None,
                "sold_out",
                "limit_reached",
                "amount_mismatch",
                "second_payment",
                "payment_needs_people",
                "?",
            ]
        ),
        serves=st.none() | ids,
        paid_at=st.none() | moments,
        refunded_at=st.none() | moments,
    )


def rewards() -> st.SearchStrategy[Reward]:
    return st.builds(
        Reward,
        grant_id=ids,
        kind=st.sampled_from(["points", "coupon", "cash"]),
        amount_minor=st.integers(1, 3),
        currency=st.sampled_from(["PTS", "CNY"]),
        state=st.sampled_from(sorted(REWARD_STATES) + ODD),
        granted_at=moments,
        ended_at=st.none() | moments,
        reason=st.sampled_from([None, "budget_spent", "declined"]),
        owner=st.sampled_from([None, "finance"]),
    )


any_facts = st.builds(
    ShopperFacts,
    sale=st.just(SALE),
    now=moments,
    line=st.builds(
        Line, st.none() | st.integers(0, 9), st.integers(0, 9), paused=st.booleans(), reachable=st.booleans()
    ),
    sold_out=st.booleans(),
    reward_open=st.booleans(),
    holds=st.lists(holds(), max_size=4).map(tuple),
    charges=st.lists(charges(), max_size=4).map(tuple),
    rewards=st.lists(rewards(), max_size=3).map(tuple),
)


@given(any_facts)
def test_any_mixture_of_facts_has_exactly_one_answer(known: ShopperFacts) -> None:
    verdict = find_verdict(known)
    states = {state for _, state, reason in CASES if reason is verdict.reason}
    assert states == {verdict.state}


@given(any_facts)
def test_the_answer_does_not_depend_on_the_order_in_which_facts_were_read(known: ShopperFacts) -> None:
    backwards = ShopperFacts(
        sale=known.sale,
        now=known.now,
        line=known.line,
        sold_out=known.sold_out,
        reward_open=known.reward_open,
        holds=known.holds[::-1],
        charges=known.charges[::-1],
        rewards=known.rewards[::-1],
    )
    if len({hold.reservation_id for hold in known.holds}) == len(known.holds) and len(
        {charge.payment_id for charge in known.charges}
    ) == len(known.charges):
        assert find_verdict(backwards) == find_verdict(known)
