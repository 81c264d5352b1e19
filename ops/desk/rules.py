"""One question, one answer: the facts of a shopper in a sale give exactly one reason, and a reason has one state.

The reasons are asked in the order of `_ORDER`; the first that applies is the answer, and the last always applies. So
no combination of facts is without an answer and none has two. What needs a person comes first, then money that is
owed, then what the shopper must act on, then what was achieved, then what was missed. Pure: no I/O, no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ops.desk.facts import Charge, Hold, ShopperFacts

HOLD_STATES: Final = frozenset({"held", "confirmed", "released", "expired"})
CHARGE_STATES: Final = frozenset({"created", "paid", "refused", "refund_due", "refunded"})
REWARD_STATES: Final = frozenset({"promised", "paid", "blocked"})


class State(StrEnum):
    """Where a shopper stands."""

    NEEDS_ATTENTION = "needs_attention"
    REFUND_DUE = "refund_due"
    HOLDING = "holding"
    REWARD_BLOCKED = "reward_blocked"
    BOUGHT = "bought"
    REWARDED = "rewarded"
    REFUNDED = "refunded"
    HOLD_LOST = "hold_lost"
    MISSED = "missed"
    MAY_ENTER = "may_enter"
    WAITING = "waiting"
    NOT_TAKING_PART = "not_taking_part"
    NOTHING_BOUGHT = "nothing_bought"


class Reason(StrEnum):
    """Why a shopper stands there."""

    RECORD_UNKNOWN = "record_unknown"
    PAID_FOR_NOTHING = "paid_for_nothing"
    BOUGHT_UNPAID = "bought_unpaid"
    REWARD_UNEARNED = "reward_unearned"
    PAYMENT_NEEDS_PEOPLE = "payment_needs_people"
    LATE_PAYMENT_NO_STOCK = "late_payment_no_stock"
    LATE_PAYMENT_OVER_LIMIT = "late_payment_over_limit"
    WRONG_AMOUNT = "wrong_amount"
    PAID_TWICE = "paid_twice"
    REFUND_UNDER_WAY = "refund_under_way"
    HOLD_OVERDUE = "hold_overdue"
    PAYMENT_REFUSED = "payment_refused"
    PAYMENT_AWAITED = "payment_awaited"
    PAYMENT_NOT_STARTED = "payment_not_started"
    REWARD_BUDGET_SPENT = "reward_budget_spent"
    REWARD_DECLINED = "reward_declined"
    REWARD_BEING_JUDGED = "reward_being_judged"
    REWARD_UNDER_WAY = "reward_under_way"
    REWARD_SENT = "reward_sent"
    NO_REWARD_DUE = "no_reward_due"
    MONEY_RETURNED = "money_returned"
    PAYMENT_UNRESOLVED = "payment_unresolved"
    HOLD_EXPIRED = "hold_expired"
    GIVEN_BACK = "given_back"
    SALE_ENDED = "sale_ended"
    SOLD_OUT = "sold_out"
    SALE_NOT_OPEN = "sale_not_open"
    LINE_PAUSED = "line_paused"
    TURN_REACHED = "turn_reached"
    BEFORE_TURN = "before_turn"
    LINE_UNREACHABLE = "line_unreachable"
    NEVER_JOINED = "never_joined"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer."""

    state: State
    reason: Reason


def find_verdict(facts: ShopperFacts) -> Verdict:
    """The one state and the one reason of a shopper in a sale. Total: raises nothing."""
    state, reason = next((state, reason) for state, reason, applies in _ORDER if applies(facts))
    return Verdict(state, reason)


def _record_unknown(facts: ShopperFacts) -> bool:
    return (
        any(hold.state not in HOLD_STATES for hold in facts.holds)
        or any(charge.state not in CHARGE_STATES for charge in facts.charges)
        or any(reward.state not in REWARD_STATES for reward in facts.rewards)
    )


def _confirmed(facts: ShopperFacts) -> list[Hold]:
    return [hold for hold in facts.holds if hold.state == "confirmed"]


def _paid_for_nothing(facts: ShopperFacts) -> bool:
    bought = {hold.reservation_id for hold in _confirmed(facts)}
    return any(charge.state == "paid" and charge.serves not in bought for charge in facts.charges)


def _bought_unpaid(facts: ShopperFacts) -> bool:
    served = {charge.serves for charge in facts.charges if charge.state == "paid"}
    return any(hold.amount_minor > 0 and hold.reservation_id not in served for hold in _confirmed(facts))


def _reward_unearned(facts: ShopperFacts) -> bool:
    return bool(facts.rewards) and not _confirmed(facts)


def _payment_needs_people(facts: ShopperFacts) -> bool:
    return any(charge.reason == Reason.PAYMENT_NEEDS_PEOPLE for charge in facts.charges)


def _refund_for(*reasons: str) -> Callable[[ShopperFacts], bool]:
    return lambda facts: any(
        charge.state == "refund_due" and charge.reason in reasons for charge in facts.charges
    )


def _refund_due(facts: ShopperFacts) -> bool:
    return any(charge.state == "refund_due" for charge in facts.charges)


def _open_hold(facts: ShopperFacts) -> Hold | None:
    """The hold that runs out first: it is the one to act on."""
    held = [hold for hold in facts.holds if hold.state == "held"]
    return min(held, key=lambda hold: (hold.expires_at, hold.reservation_id), default=None)


def _hold_overdue(facts: ShopperFacts) -> bool:
    hold = _open_hold(facts)
    return hold is not None and hold.expires_at <= facts.now


def _last_charge(facts: ShopperFacts, hold: Hold) -> Charge | None:
    charges = [charge for charge in facts.charges if charge.reservation_id == hold.reservation_id]
    return max(charges, key=lambda charge: (charge.created_at, charge.payment_id), default=None)


def _open_hold_charge(state: str) -> Callable[[ShopperFacts], bool]:
    def applies(facts: ShopperFacts) -> bool:
        hold = _open_hold(facts)
        charge = None if hold is None else _last_charge(facts, hold)
        return charge is not None and charge.state == state

    return applies


def _holding(facts: ShopperFacts) -> bool:
    return _open_hold(facts) is not None


def _blocked_for(reason: str | None) -> Callable[[ShopperFacts], bool]:
    return lambda facts: any(
        reward.state == "blocked" and reason in {None, reward.reason} for reward in facts.rewards
    )


def _bought(facts: ShopperFacts) -> bool:
    return bool(_confirmed(facts))


def _payment_unresolved(facts: ShopperFacts) -> bool:
    return any(charge.state == "created" for charge in facts.charges)


def _last_end(state: str) -> Callable[[ShopperFacts], bool]:
    def applies(facts: ShopperFacts) -> bool:
        last = max(
            facts.holds, key=lambda hold: (hold.ended_at or hold.held_at, hold.reservation_id), default=None
        )
        return last is not None and last.state == state

    return applies


def _in_line(facts: ShopperFacts) -> bool:
    return facts.line.reachable and facts.line.position is not None


def _turn_reached(facts: ShopperFacts) -> bool:
    return facts.line.position is not None and facts.line.position < facts.line.frontier


_ORDER: Final[tuple[tuple[State, Reason, Callable[[ShopperFacts], bool]], ...]] = (
    (State.NEEDS_ATTENTION, Reason.RECORD_UNKNOWN, _record_unknown),
    (State.NEEDS_ATTENTION, Reason.PAID_FOR_NOTHING, _paid_for_nothing),
    (State.NEEDS_ATTENTION, Reason.BOUGHT_UNPAID, _bought_unpaid),
    (State.NEEDS_ATTENTION, Reason.REWARD_UNEARNED, _reward_unearned),
    (State.NEEDS_ATTENTION, Reason.PAYMENT_NEEDS_PEOPLE, _payment_needs_people),
    (State.REFUND_DUE, Reason.LATE_PAYMENT_NO_STOCK, _refund_for("sold_out")),
    (State.REFUND_DUE, Reason.LATE_PAYMENT_OVER_LIMIT, _refund_for("limit_reached")),
    (State.REFUND_DUE, Reason.WRONG_AMOUNT, _refund_for("amount_mismatch")),
    (State.REFUND_DUE, Reason.PAID_TWICE, _refund_for("second_payment")),
    (State.REFUND_DUE, Reason.REFUND_UNDER_WAY, _refund_due),
    (State.HOLDING, Reason.HOLD_OVERDUE, _hold_overdue),
    (State.HOLDING, Reason.PAYMENT_REFUSED, _open_hold_charge("refused")),
    (State.HOLDING, Reason.PAYMENT_AWAITED, _open_hold_charge("created")),
    (State.HOLDING, Reason.PAYMENT_NOT_STARTED, _holding),
    (State.REWARD_BLOCKED, Reason.REWARD_BUDGET_SPENT, _blocked_for("budget_spent")),
    (State.REWARD_BLOCKED, Reason.REWARD_DECLINED, _blocked_for(None)),
    (State.BOUGHT, Reason.REWARD_BEING_JUDGED, lambda facts: _bought(facts) and facts.reward_open),
    (
        State.BOUGHT,
        Reason.REWARD_UNDER_WAY,
        lambda facts: any(reward.state == "promised" for reward in facts.rewards),
    ),
    (State.REWARDED, Reason.REWARD_SENT, lambda facts: bool(facts.rewards)),
    (State.BOUGHT, Reason.NO_REWARD_DUE, _bought),
    (State.HOLD_LOST, Reason.PAYMENT_UNRESOLVED, _payment_unresolved),
    (
        State.REFUNDED,
        Reason.MONEY_RETURNED,
        lambda facts: any(charge.state == "refunded" for charge in facts.charges),
    ),
    (State.HOLD_LOST, Reason.HOLD_EXPIRED, _last_end("expired")),
    (State.HOLD_LOST, Reason.GIVEN_BACK, _last_end("released")),
    (State.NOTHING_BOUGHT, Reason.LINE_UNREACHABLE, lambda facts: not facts.line.reachable),
    (State.MISSED, Reason.SALE_ENDED, lambda facts: _in_line(facts) and facts.now >= facts.sale.closes_at),
    (State.WAITING, Reason.SALE_NOT_OPEN, lambda facts: _in_line(facts) and facts.now < facts.sale.opens_at),
    (State.MISSED, Reason.SOLD_OUT, lambda facts: _in_line(facts) and facts.sold_out),
    (State.MAY_ENTER, Reason.TURN_REACHED, _turn_reached),
    (State.WAITING, Reason.LINE_PAUSED, lambda facts: _in_line(facts) and facts.line.paused),
    (State.WAITING, Reason.BEFORE_TURN, _in_line),
    (State.NOT_TAKING_PART, Reason.NEVER_JOINED, lambda _: True),
)
