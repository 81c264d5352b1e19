"""Promising a grant: its payout becomes due and its amount moves from the budget to what is promised."""

from typing import Any

from sqlalchemy import insert, select, update

from kit.ids import new_id
from kit.postgres import WriteSession
from rewards.ledger import Movement, account_id, lock_balances, post
from rewards.models import Grant, Payout, Rule
from rewards.rules import BUDGET_SPENT, OWNER_OPERATIONS

RESUMED_MAX = 5_000  # one transaction's worth; the rest resumes when the rule is applied again


async def promise(session: WriteSession, grants: list[dict[str, Any]]) -> None:
    """For grant rows that were just made `promised`. Raises `BalanceTooLow` when the budget does not cover them."""
    if not grants:
        return
    await session.execute(
        insert(Payout),
        [{"payout_id": new_id(), "grant_id": grant["grant_id"], "state": "due"} for grant in grants],
    )
    await post(session, [_movement(grant) for grant in grants])


def _movement(grant: dict[str, Any]) -> Movement:
    sale_id, rule_id = grant["sale_id"], grant["rule_id"]
    return Movement(
        debit=account_id("budget", sale_id, rule_id),
        credit=account_id("promised", sale_id, rule_id),
        amount_minor=grant["amount_minor"],
        currency=grant["currency"],
        reason="promised",
        subject=str(grant["grant_id"]),
    )


async def resume_blocked(session: WriteSession, rule: Rule) -> int:
    """Promises what waited for money, the oldest first, as far as the budget goes; the rule is locked by the caller."""
    budget = account_id("budget", rule.sale_id, rule.rule_id)
    left = (await lock_balances(session, [budget]))[budget] // rule.amount_minor
    waiting = (
        select(Grant.grant_id)
        .where(Grant.sale_id == rule.sale_id, Grant.rule_id == rule.rule_id)
        .where(Grant.state == "blocked", Grant.reason == BUDGET_SPENT, Grant.owner == OWNER_OPERATIONS)
        .order_by(Grant.grant_id)
        .limit(min(left, RESUMED_MAX))
    )
    resumed = await session.execute(
        update(Grant)
        .where(Grant.grant_id.in_(waiting.scalar_subquery()))
        .values(state="promised", reason=None, owner=None, ended_at=None)
        .returning(Grant.grant_id, Grant.sale_id, Grant.rule_id, Grant.amount_minor, Grant.currency)
        .execution_options(synchronize_session=False)
    )
    grants = [dict(row._mapping) for row in resumed]  # noqa: SLF001 - the documented way to a row's names
    await promise(session, grants)
    return len(grants)
