"""What happened to a shopper in a sale, step by step, each with its time. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ops.desk.facts import Charge, Hold, Notice, Reward, ShopperFacts, Try

# Minor units of a currency that are not hundredths; points and coupons are counted whole.
_DIGITS: Final = {"JPY": 0, "KRW": 0, "VND": 0, "PTS": 0, "CPN": 0}
_HOLD_ENDS: Final = {"released": "released", "expired": "expired"}
_TRY_ENDS: Final = {"paid": "payout_paid", "declined": "payout_declined"}
_NOTICES: Final = {"payment.refused": "payment_refused"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `subject` is the id it happened to; `words` fill the text of `code`."""

    at: datetime
    code: str
    subject: str
    words: dict[str, str] = field(default_factory=dict)


def list_steps(facts: ShopperFacts) -> list[Step]:
    """Every step, the oldest first; steps of one instant in the order in which they cause each other."""
    return sorted(_steps(facts), key=lambda step: step.at)


def _steps(facts: ShopperFacts) -> Iterator[Step]:
    for hold in sorted(facts.holds, key=lambda hold: (hold.held_at, hold.reservation_id)):
        yield from _hold_begins(hold)
    for charge in facts.charges:
        yield from _charge_steps(charge)
    for notice in facts.notices:
        yield _notice_step(notice)
    for hold in facts.holds:
        yield from _hold_ends(hold)
    for charge in facts.charges:
        if charge.refunded_at is not None:
            yield Step(charge.refunded_at, "refunded", str(charge.payment_id), _amount(charge))
    for reward in facts.rewards:
        yield Step(reward.granted_at, "reward_earned", str(reward.grant_id), _amount(reward))
    for one in facts.tries:
        yield from _try_steps(one)
    for reward in facts.rewards:
        yield from _reward_ends(reward)


def _hold_begins(hold: Hold) -> Iterator[Step]:
    if hold.regrant_of is not None:
        return  # it was never held: a late payment confirmed it at birth
    subject = str(hold.reservation_id)
    if hold.admitted_at is not None:
        yield Step(hold.admitted_at, "admitted", subject)
    yield Step(hold.held_at, "held", subject, _what(hold))


def _hold_ends(hold: Hold) -> Iterator[Step]:
    if hold.ended_at is None:
        return
    if hold.state == "confirmed":
        code = "confirmed" if hold.regrant_of is None else "regranted"
        yield Step(hold.ended_at, code, str(hold.reservation_id), _what(hold))
    elif hold.state in _HOLD_ENDS:
        yield Step(hold.ended_at, _HOLD_ENDS[hold.state], str(hold.reservation_id))


def _charge_steps(charge: Charge) -> Iterator[Step]:
    yield Step(charge.created_at, "payment_opened", str(charge.payment_id), _amount(charge))
    if charge.paid_at is not None:
        yield Step(charge.paid_at, "paid", str(charge.payment_id), _amount(charge))


def _notice_step(notice: Notice) -> Step:
    return Step(notice.received_at, _NOTICES.get(notice.kind, "notice_received"), str(notice.payment_id))


def _try_steps(one: Try) -> Iterator[Step]:
    words = {"number": str(one.number)}
    yield Step(one.started_at, "payout_tried", str(one.grant_id), words)
    if one.ended_at is not None and one.outcome in _TRY_ENDS:
        yield Step(one.ended_at, _TRY_ENDS[one.outcome], str(one.grant_id), words)


def _reward_ends(reward: Reward) -> Iterator[Step]:
    if reward.ended_at is None:
        return
    if reward.state == "paid":
        yield Step(reward.ended_at, "reward_sent", str(reward.grant_id), _amount(reward))
    elif reward.state == "blocked":
        yield Step(reward.ended_at, "reward_blocked", str(reward.grant_id), {"owner": reward.owner or "?"})


def _what(hold: Hold) -> dict[str, str]:
    return {"what": f"{hold.quantity} × {hold.sku}"}


def _amount(money: Charge | Reward) -> dict[str, str]:
    digits = _DIGITS.get(money.currency, 2)
    whole, rest = divmod(money.amount_minor, 10**digits)
    return {"amount": f"{whole}{f'.{rest:0{digits}d}' if digits else ''} {money.currency}"}
