"""The life of a reservation and its payments: every event in every state, and every two payments of one reservation."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, get_args

import pytest

from flashsale import lifecycle
from flashsale.holds import BY_DEADLINE
from flashsale.lifecycle import step
from flashsale.statements import EXPIRE_DUE
from flashsale.states import (
    ENDED,
    FIRST_PAID,
    NEEDS_PEOPLE,
    PAYABLE,
    Effect,
    Event,
    Hold,
    Money,
    Outcome,
    State,
    Step,
    every_state,
)

STATES: Final = tuple(every_state())
EDGES: Final = tuple((state, event) for state in STATES for event in Event)
SOUGHT: Final = (Event.UNITS_FOUND, Event.SOLD_OUT, Event.LIMIT_REACHED)
# Where the shopper's money is while a payment stands so: here, and spoken for.
OURS: Final = frozenset({Money.LATE, Money.SERVING, Money.REFUND_DUE, Money.REFUND_SENT})


def units(state: State) -> int:
    """What the reservation and its re-grant hold, counted in what was reserved."""
    return 1 if state.hold in {Hold.HELD, Hold.CONFIRMED} or state.bought else 0


def test_every_state_has_an_answer_to_every_event_and_it_is_a_state() -> None:
    """All pairs in one go: none is undefined, none raises, none leads where nothing can be."""
    assert len(EDGES) == len(STATES) * len(Event) > 900
    for state, event in EDGES:
        led = step(state, event)
        assert led.state.may_be, (state, event, led)
        assert led.outcome in get_args(Outcome)
        assert led == step(state, event)


def test_states_that_cannot_be_are_answered_too() -> None:
    for hold in Hold:
        for money in Money:
            for bought in (False, True):
                for event in Event:
                    assert isinstance(step(State(hold, money, bought), event), Step)


def test_each_hold_ends_once() -> None:
    for state, event in EDGES:
        led = step(state, event)
        if state.hold is not Hold.HELD:
            assert led.state.hold is state.hold, (state, event)
        elif led.state.hold is not Hold.HELD:
            assert event in {Event.RELEASED, Event.DEADLINE, Event.PAID, Event.OTHER_BOUGHT}


def test_units_come_back_exactly_when_a_hold_ends_unpaid_and_go_out_exactly_with_a_regrant() -> None:
    for state, event in EDGES:
        led = step(state, event)
        moved = Counter(led.effects)
        assert moved[Effect.RETURN_UNITS] == (state.hold is Hold.HELD and led.state.hold in ENDED)
        if event is not Event.OTHER_BOUGHT:  # the other's own step took them
            gone = moved[Effect.TAKE_UNITS] - moved[Effect.RETURN_UNITS]
            assert units(led.state) - units(state) == gone, (state, event)


def test_money_that_comes_serves_or_goes_back_or_is_in_peoples_hands() -> None:
    for state, event in EDGES:
        if event not in FIRST_PAID:
            continue
        for led in _ways(step(state, event)):
            if state.money in PAYABLE:
                assert led.state.money in {Money.SERVING, Money.REFUND_DUE}, (state, event)
            elif Effect.CALL_PEOPLE not in led.effects:
                assert state.money is led.state.money is not Money.NONE, (state, event)


def test_money_that_is_here_leaves_only_as_a_refund() -> None:
    for state, event in EDGES:
        if state.money in OURS:
            for led in _ways(step(state, event)):
                assert led.state.money in OURS | {Money.REFUNDED}, (state, event)
                if led.state.money is Money.REFUNDED:
                    assert event is Event.REFUNDED


def test_what_serves_was_paid_in_full_and_is_announced_once() -> None:
    for state, event in EDGES:
        led = step(state, event)
        began = state.money is not Money.SERVING and led.state.money is Money.SERVING
        assert (Effect.ANNOUNCE in led.effects) == began
        assert (Effect.SUPERSEDE_OTHERS in led.effects) == began
        if began:
            assert event in {Event.PAID, Event.UNITS_FOUND}
            assert not state.bought
        if state.money is Money.SERVING:
            assert led.state.money is Money.SERVING  # goods once bought are not taken back by a notice


def test_money_that_went_back_never_buys() -> None:
    for state, event in EDGES:
        if state.money in {Money.REFUND_DUE, Money.REFUND_SENT, Money.REFUNDED}:
            led = step(state, event)
            assert led.state.money in {Money.REFUND_DUE, Money.REFUND_SENT, Money.REFUNDED}
            assert Effect.ANNOUNCE not in led.effects


def test_late_money_asks_for_units_and_each_answer_ends_it() -> None:
    for state, event in EDGES:
        led = step(state, event)
        assert (Effect.SEEK_UNITS in led.effects) == (
            state.money is not Money.LATE and led.state.money is Money.LATE
        )
    for state in STATES:
        if state.money is Money.LATE:
            assert [step(state, answer).outcome for answer in SOUGHT] == ["regranted", *["refund_due"] * 2]


def test_a_word_that_contradicts_the_first_calls_people_whatever_the_state() -> None:
    for state in STATES:
        led = step(state, Event.PAID_OTHERWISE)
        assert (led.outcome, led.effects, led.reason) == ("needs_people", (Effect.CALL_PEOPLE,), NEEDS_PEOPLE)
    served = State(Hold.CONFIRMED, Money.SERVING, bought=True)
    assert step(served, Event.REFUNDED).outcome == "needs_people"
    assert step(served, Event.PAID_AGAIN).outcome == "duplicate"


def test_the_statement_that_expires_many_takes_the_step_of_the_deadline() -> None:
    said = str(EXPIRE_DUE.clause)
    assert f"SET state = '{BY_DEADLINE.state.hold}', end_reason = '{BY_DEADLINE.reason}'" in said
    assert said.count(f"state = '{Hold.HELD}'") == 2
    assert BY_DEADLINE.effects == (Effect.RETURN_UNITS,)


def _ways(led: Step) -> Iterator[Step]:
    """Late money is not left late: the transaction goes on with the answer of the search."""
    if Effect.SEEK_UNITS in led.effects:
        yield from (step(led.state, answer) for answer in SOUGHT)
    else:
        yield led


Pair = tuple[State, State]


def _walk(pair: Pair, event: Event, mover: int) -> Iterator[Pair]:
    """What two payments of one reservation may be after an event of one of them."""
    mine, other = pair[mover], pair[1 - mover]
    for led in _ways(step(mine, event)):
        theirs = replace(other, hold=led.state.hold)
        if Effect.SUPERSEDE_OTHERS in led.effects:
            theirs = step(other, Event.OTHER_BOUGHT).state
        yield (led.state, theirs) if mover == 0 else (theirs, led.state)


def every_pair() -> set[Pair]:
    """All that two payments of one reservation can come to, from a hold that nobody has begun to pay."""
    begin = (State(Hold.HELD), State(Hold.HELD))
    seen, todo = {begin}, [begin]
    own = [event for event in Event if event not in {Event.OTHER_BOUGHT, *SOUGHT}]
    while todo:
        pair = todo.pop()
        for mover in (0, 1):
            for event in own:
                for reached in _walk(pair, event, mover):
                    if reached not in seen:
                        seen.add(reached)
                        todo.append(reached)
    return seen


def test_two_payments_of_one_reservation_buy_it_once_in_every_order_of_events() -> None:
    pairs = every_pair()
    assert len(pairs) > 200
    for first, second in pairs:
        assert (first.hold, first.bought) == (second.hold, second.bought)
        serving = [first.money, second.money].count(Money.SERVING)
        assert serving == (1 if first.bought else 0)
        assert first.may_be
        assert second.may_be


def test_a_rule_that_forgets_what_was_bought_is_seen_by_the_walk_of_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: a success that asks only for its own hold sells one reservation to two payments."""
    paid = lifecycle._RULES[Event.PAID]
    forgetful = {**lifecycle._RULES, Event.PAID: lambda state: paid(replace(state, bought=False))}
    monkeypatch.setattr(lifecycle, "_RULES", forgetful)
    assert any(first.money is second.money is Money.SERVING for first, second in every_pair())


def test_every_state_but_the_one_inside_a_transaction_is_reached() -> None:
    reached = {state for pair in every_pair() for state in pair}
    assert {state for state in STATES if state.money is not Money.LATE} == reached
