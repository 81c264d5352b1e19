"""The life of a reservation and its payments: pure, and total over every state and event.

Promised by its steps: a hold ends once; units are returned once for each end; money that comes serves a reservation,
or is due to go back, or is in people's hands; it never serves after it has gone back. SCARCITY.md has it as a table.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from flashsale.states import (
    NEEDS_PEOPLE,
    PAYABLE,
    UNHEARD,
    Effect,
    Event,
    Hold,
    Money,
    Outcome,
    State,
    Step,
)


def step(state: State, event: Event) -> Step:
    """Where `event` leads from `state`. Never raises: what cannot happen is answered, too."""
    return _RULES[event](state)


def _released(state: State) -> Step:
    if state.hold is Hold.HELD:
        return Step(replace(state, hold=Hold.RELEASED), "released", (Effect.RETURN_UNITS,), "by_user")
    return Step(state, "released" if state.hold is Hold.RELEASED else "hold_ended")


def _deadline(state: State) -> Step:
    if state.hold is Hold.HELD:
        return Step(replace(state, hold=Hold.EXPIRED), "expired", (Effect.RETURN_UNITS,), "hold_expired")
    return Step(state, "nothing")


_NOT_PAYABLE: Final[Mapping[Hold, Outcome]] = {
    Hold.CONFIRMED: "already_paid",
    Hold.RELEASED: "hold_ended",
    Hold.EXPIRED: "hold_expired",
}


def _opened(state: State) -> Step:
    if state.hold is not Hold.HELD:
        return Step(state, _NOT_PAYABLE[state.hold])
    if state.money is Money.NONE:
        return Step(replace(state, money=Money.OPEN), "opened", (Effect.OPEN_PAYMENT,))
    if state.money in UNHEARD:
        return Step(state, "same_payment")
    return Step(state, "opened", (Effect.OPEN_PAYMENT,))  # beside this one, with a life of its own


def _paid(state: State) -> Step:
    if state.money not in PAYABLE:
        return _paid_without_need(state)
    if state.bought:
        return _owe(state, "second_payment")
    if state.hold is Hold.HELD:
        return Step(
            State(Hold.CONFIRMED, Money.SERVING, bought=True),
            "confirmed",
            (Effect.SUPERSEDE_OTHERS, Effect.ANNOUNCE),
            "paid",
        )
    return Step(replace(state, money=Money.LATE), "late", (Effect.SEEK_UNITS,))


def _paid_wrongly(state: State) -> Step:
    if state.money in PAYABLE:
        return _owe(state, "amount_mismatch")
    # What is bought for this very payment was announced with another sum.
    return _call_people(state) if state.money is Money.SERVING else _paid_without_need(state)


def _paid_without_need(state: State) -> Step:
    if state.money is Money.NONE:
        return Step(state, "unmatched", (Effect.CALL_PEOPLE,))
    # Refunded before we heard that it had come: it may buy nothing any more.
    return Step(state, "refunded" if state.money is Money.REFUNDED else "duplicate")


def _paid_again(state: State) -> Step:
    if state.money is Money.NONE or state.money in PAYABLE:
        return _call_people(state)  # a success was heard of, and nothing was done about it
    return Step(state, "duplicate")


def _units_found(state: State) -> Step:
    if state.money is not Money.LATE:
        return Step(state, "nothing")
    effects = (Effect.TAKE_UNITS, Effect.SUPERSEDE_OTHERS, Effect.ANNOUNCE)
    return Step(replace(state, money=Money.SERVING, bought=True), "regranted", effects)


def _no_units(state: State, reason: str) -> Step:
    return _owe(state, reason) if state.money is Money.LATE else Step(state, "nothing")


def _other_bought(state: State) -> Step:
    if state.bought:
        return Step(state, "nothing")
    hold = Hold.CONFIRMED if state.hold is Hold.HELD else state.hold
    bought = replace(state, hold=hold, bought=True)
    if state.money is Money.LATE:
        return _owe(bought, "second_payment")
    if state.money in {Money.OPEN, Money.UNKNOWN}:
        return Step(replace(bought, money=Money.SUPERSEDED), "superseded", (), "superseded")
    return Step(bought, "nothing")


def _refused(state: State) -> Step:
    if state.money not in UNHEARD:
        return Step(state, "duplicate")  # what has gone further is not undone by an older refusal
    return Step(replace(state, money=Money.FAILED), "refused", (), "provider_refused")


def _unpaid(state: State) -> Step:
    if state.money not in UNHEARD:
        return Step(state, "nothing")
    money, reason = (Money.SUPERSEDED, "superseded") if state.bought else (Money.OPEN, None)
    return Step(replace(state, money=money), "asked_again", (Effect.ASK_AGAIN,), reason)


def _unpaid_for_long(state: State) -> Step:
    if state.money not in UNHEARD or state.hold is Hold.HELD:
        return _unpaid(state)
    return Step(replace(state, money=Money.FAILED), "abandoned", (), "abandoned")


def _unanswered(state: State) -> Step:
    if state.money not in UNHEARD - {Money.BLOCKED}:
        return Step(state, "nothing")
    if state.money is Money.SUPERSEDED:
        return Step(state, "asked_again", (Effect.ASK_AGAIN,), "superseded")
    return Step(replace(state, money=Money.UNKNOWN), "asked_again", (Effect.ASK_AGAIN,), "unanswered")


def _unanswered_for_long(state: State) -> Step:
    return _call_people(state) if state.money in UNHEARD - {Money.BLOCKED} else Step(state, "nothing")


def _refund_rung(state: State) -> Step:
    if state.money not in {Money.REFUND_DUE, Money.REFUND_SENT}:
        return Step(state, "not_due")
    return Step(replace(state, money=Money.REFUND_SENT), "refund_sent", (Effect.SEND_REFUND,))


def _refunded(state: State) -> Step:
    match state.money:
        case Money.NONE:
            return Step(state, "unmatched", (Effect.CALL_PEOPLE,))
        case Money.SERVING:
            return _call_people(state)  # what it bought was not asked back
        case Money.REFUNDED:
            return Step(state, "duplicate")
        case Money.REFUND_DUE | Money.REFUND_SENT:
            return Step(replace(state, money=Money.REFUNDED), "refunded")
        case _:
            # Sent back without our asking, and heard of before its success: that may confirm nothing when it comes.
            return Step(replace(state, money=Money.REFUNDED), "refunded", (), "refunded_unasked")


def _owe(state: State, reason: str) -> Step:
    return Step(replace(state, money=Money.REFUND_DUE), "refund_due", (), reason)


def _call_people(state: State) -> Step:
    money = Money.BLOCKED if state.money in UNHEARD else state.money
    return Step(replace(state, money=money), "needs_people", (Effect.CALL_PEOPLE,), NEEDS_PEOPLE)


_RULES: Final[Mapping[Event, Callable[[State], Step]]] = {
    Event.RELEASED: _released,
    Event.DEADLINE: _deadline,
    Event.OPENED: _opened,
    Event.PAID: _paid,
    Event.PAID_PART: _paid_wrongly,
    Event.PAID_MORE: _paid_wrongly,
    Event.PAID_CURRENCY: _paid_wrongly,
    Event.PAID_AGAIN: _paid_again,
    Event.PAID_OTHERWISE: _call_people,
    Event.UNITS_FOUND: _units_found,
    Event.SOLD_OUT: partial(_no_units, reason="sold_out"),
    Event.LIMIT_REACHED: partial(_no_units, reason="limit_reached"),
    Event.OTHER_BOUGHT: _other_bought,
    Event.REFUSED: _refused,
    Event.UNPAID: _unpaid,
    Event.UNPAID_FOR_LONG: _unpaid_for_long,
    Event.UNANSWERED: _unanswered,
    Event.UNANSWERED_FOR_LONG: _unanswered_for_long,
    Event.REFUND_RUNG: _refund_rung,
    Event.REFUNDED: _refunded,
}
