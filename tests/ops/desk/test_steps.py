"""What happened, step by step, each with its time, in the order of cause and effect."""

from datetime import timedelta
from string import Formatter

from hypothesis import given

from ops.desk import texts
from ops.desk.facts import ShopperFacts
from ops.desk.steps import list_steps
from tests.ops.desk.facts import NOW, an_id, at, attempt, charge, facts, hold, notice, reward
from tests.ops.desk.test_rules import any_facts


def codes(known: ShopperFacts) -> list[str]:
    return [step.code for step in list_steps(known)]


def test_a_purchase_with_a_reward_reads_from_the_door_to_the_reward() -> None:
    known = facts(
        holds=(hold("confirmed", admitted_at=at(50), ended_at=at(80)),),
        charges=(charge("paid"),),
        notices=(notice(),),
        rewards=(reward("paid"),),
        tries=(attempt(),),
    )
    assert codes(known) == [
        "admitted", "held", "payment_opened", "paid", "notice_received", "confirmed", "reward_earned",
        "payout_tried", "payout_paid", "reward_sent",
    ]  # fmt: skip
    assert [step.at for step in list_steps(known)] == sorted(step.at for step in list_steps(known))


def test_a_late_payment_that_was_granted_again_was_never_held_twice() -> None:
    known = facts(
        holds=(hold("expired", ended_at=at(75)), hold("confirmed", 2, regrant_of=an_id(1), held_at=at(80), ended_at=at(80))),
        charges=(charge("paid", serves=an_id(2)),),
    )  # fmt: skip
    assert codes(known) == ["held", "payment_opened", "expired", "paid", "regranted"]


def test_money_that_went_back_and_a_refused_card_have_their_times() -> None:
    known = facts(
        holds=(hold("released"),), charges=(charge("refunded"),), notices=(notice("payment.refused"),)
    )
    assert codes(known) == ["held", "payment_opened", "paid", "payment_refused", "refunded", "released"]


def test_a_blocked_reward_names_who_looks_after_it() -> None:
    known = facts(
        rewards=(reward("blocked", owner="finance"),), tries=(attempt("declined"), attempt("unknown", 2))
    )
    assert codes(known) == [
        "reward_earned",
        "payout_tried",
        "payout_tried",
        "payout_declined",
        "reward_blocked",
    ]
    assert list_steps(known)[-1].words == {"owner": "finance"}


def test_amounts_are_shown_as_people_write_them() -> None:
    amounts = [
        list_steps(facts(charges=(charge("created", amount_minor=minor, currency=currency),)))[0].words[
            "amount"
        ]
        for minor, currency in [(199900, "CNY"), (5, "CNY"), (120, "JPY"), (100, "PTS"), (0, "CNY")]
    ]
    assert amounts == ["1999.00 CNY", "0.05 CNY", "120 JPY", "100 PTS", "0.00 CNY"]


def test_a_hold_that_is_still_open_has_no_end() -> None:
    assert codes(facts(holds=(hold(held_at=NOW - timedelta(seconds=1)),))) == ["held"]


@given(any_facts)
def test_every_step_of_any_facts_has_words_for_its_text(known: ShopperFacts) -> None:
    for step in list_steps(known):
        for text in texts.STEPS[step.code].values():
            assert {name for _, name, _, _ in Formatter().parse(text) if name} <= step.words.keys()
