"""Grants: a confirmed reservation earns each reward of its sale once, within `first_n` and budget.

Called in the transaction that marks the outbox event done, so a grant and its event stand or fall together.
Lock order: event → rules of the sale → accounts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update

from flashsale.events import ReservationConfirmed, outbox
from kit.ids import new_id
from kit.postgres import ReadSession, WriteSession
from rewards import metrics, rules
from rewards.errors import EarlierConfirmationsOpen
from rewards.ledger import account_id, lock_balances
from rewards.models import Grant, Payout, Rule
from rewards.programme import apply_rules, lock_rules
from rewards.promises import promise
from rewards.rules import RulePlan

__all__ = ["RewardFacts", "RulePlan", "apply_rules", "grant_for", "list_rewards"]

_BLOCKED: Final = {
    "reason": rules.BUDGET_SPENT,
    "owner": rules.OWNER_OPERATIONS,
    "ended_at": func.now(),
}
REWARDS_LISTED_MAX: Final = 500  # a shopper's own list; nobody reserves so often


@dataclass(frozen=True, slots=True)
class RewardFacts:
    """A grant and its payout as its owner may see them. state: promised | paid | blocked."""

    grant_id: UUID
    sale_id: str
    rule_id: str
    reservation_id: UUID
    kind: str
    amount_minor: int
    currency: str
    coupon_code: str | None
    state: str
    reason: str | None
    owner: str | None
    granted_at: datetime
    ended_at: datetime | None
    attempts: int


async def grant_for(
    session: WriteSession, event: ReservationConfirmed, *, event_id: UUID | None = None
) -> list[UUID]:
    """The ids of the grants made now for a confirmed reservation; none the second time.

    With `event_id` the order of the outbox decides who is among the first: raises `EarlierConfirmationsOpen` when the
    rest of a reward may belong to earlier events that are still open. Nothing is granted then; try again soon.
    """
    locked = await lock_rules(session, event.sale_id)
    judged = set(
        await session.scalars(select(Grant.rule_id).where(Grant.reservation_id == event.reservation_id))
    )
    open_rules = [rule for rule in locked if rule.rule_id not in judged]
    if not open_rules:
        return []
    verdicts = await _judge(session, event, open_rules, event_id)
    for verdict in verdicts.values():
        metrics.JUDGED.labels(verdict).inc()
    earned = [rule for rule in open_rules if verdicts[rule.rule_id] == "earned"]
    spent = [rule for rule in open_rules if verdicts[rule.rule_id] == "budget_spent"]
    return await _record(session, event, earned, spent)


async def _judge(
    session: WriteSession, event: ReservationConfirmed, open_rules: list[Rule], event_id: UUID | None
) -> dict[str, rules.Verdict]:
    budgets = await lock_balances(
        session, [account_id("budget", rule.sale_id, rule.rule_id) for rule in open_rules]
    )
    earlier = await _earlier_open(session, event, event_id)
    verdicts = {
        rule.rule_id: rules.judge(
            granted=rule.granted,
            first_n=rule.first_n,
            amount_minor=rule.amount_minor,
            budget_left_minor=budgets[account_id("budget", rule.sale_id, rule.rule_id)],
            earlier_open=earlier,
        )
        for rule in open_rules
    }
    if "wait_for_earlier" in verdicts.values():
        raise EarlierConfirmationsOpen(sale_id=event.sale_id)
    return verdicts


async def _earlier_open(session: WriteSession, event: ReservationConfirmed, event_id: UUID | None) -> int:
    # Read after the rules are locked: whoever granted before has marked its event done and is seen.
    if event_id is None:
        return 0
    return await outbox.count_open_before(session, event_id, field="sale_id", value=event.sale_id)


async def _record(
    session: WriteSession, event: ReservationConfirmed, earned: list[Rule], spent: list[Rule]
) -> list[UUID]:
    promised = [_row(event, rule) | {"state": "promised"} for rule in earned]
    # Earned under the rule, but the money is gone: said as a fact with an owner, not passed over in silence.
    blocked = [_row(event, rule) | {"state": "blocked"} | _BLOCKED for rule in spent]
    for row in (*promised, *blocked):
        await session.execute(insert(Grant).values(row))
    await session.execute(
        update(Rule)
        .where(Rule.sale_id == event.sale_id, Rule.rule_id.in_([rule.rule_id for rule in (*earned, *spent)]))
        .values(granted=Rule.granted + 1)
        .execution_options(synchronize_session=False)
    )
    await promise(session, promised)
    return [row["grant_id"] for row in (*promised, *blocked)]


def _row(event: ReservationConfirmed, rule: Rule) -> dict[str, Any]:
    return {
        "grant_id": new_id(),
        "sale_id": event.sale_id,
        "rule_id": rule.rule_id,
        "reservation_id": event.reservation_id,
        "user_id": event.user_id,
        "kind": rule.kind,
        "amount_minor": rule.amount_minor,
        "currency": rule.currency,
    }


async def list_rewards(session: ReadSession, user_id: str) -> list[RewardFacts]:
    """What `user_id` has earned, the newest first."""
    found = await session.execute(
        select(
            Grant.grant_id,
            Grant.sale_id,
            Grant.rule_id,
            Grant.reservation_id,
            Grant.kind,
            Grant.amount_minor,
            Grant.currency,
            Rule.coupon_code,
            Grant.state,
            Grant.reason,
            Grant.owner,
            Grant.granted_at,
            Grant.ended_at,
            func.coalesce(Payout.attempts, 0),
        )
        .outerjoin(Rule, (Rule.sale_id == Grant.sale_id) & (Rule.rule_id == Grant.rule_id))
        .outerjoin(Payout, Payout.grant_id == Grant.grant_id)
        .where(Grant.user_id == user_id)
        .order_by(Grant.granted_at.desc(), Grant.grant_id)
        .limit(REWARDS_LISTED_MAX)
    )
    return [RewardFacts(*tuple(row)) for row in found]
