"""The reward rules of a sale, as applied: stored, funded, and unchanged once somebody was promised something."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from kit.postgres import WriteSession
from rewards.errors import BudgetBelowPromised, RuleAlreadyGranted, RuleInvalid
from rewards.ledger import Movement, account_id, lock_balances, open_accounts, post
from rewards.models import Rule, Transfer
from rewards.promises import resume_blocked
from rewards.rules import RulePlan, find_fault


async def lock_rules(session: WriteSession, sale_id: str) -> list[Rule]:
    """The rules of a sale in the order of their ids, locked: who grants or changes them waits here, before accounts."""
    found = await session.scalars(
        select(Rule)
        .where(Rule.sale_id == sale_id)
        .order_by(Rule.rule_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(found)


async def apply_rules(session: WriteSession, sale_id: str, plans: Sequence[RulePlan]) -> None:
    """Makes `plans` the rules of the sale and funds their budgets; the same plans again change nothing.

    Raises `RuleInvalid`, `RuleAlreadyGranted` (kind, currency, amount, coupon, or removal after the first grant;
    `first_n` below what is granted) and `BudgetBelowPromised`.
    """
    for plan in plans:
        if (fault := find_fault(plan)) is not None:
            raise RuleInvalid(plan.rule_id, *fault)
    if len({plan.rule_id for plan in plans}) != len(plans):
        raise RuleInvalid(plans[0].rule_id, "rule_id", "is given twice in this sale")
    present = {rule.rule_id: rule for rule in await lock_rules(session, sale_id)}
    for plan in sorted(plans, key=lambda plan: plan.rule_id):
        await _store(session, sale_id, plan, present.pop(plan.rule_id, None))
    for rule in present.values():
        await _remove(session, rule)
    for rule in await lock_rules(session, sale_id):
        await resume_blocked(session, rule)


async def _store(session: WriteSession, sale_id: str, plan: RulePlan, rule: Rule | None) -> None:
    if rule is not None:
        _refuse_broken_promise(plan, rule)
        if rule.currency != plan.currency:
            # Accounts keep their currency for ever; a rule of another currency is another rule.
            raise RuleInvalid(plan.rule_id, "currency", "cannot change: use a new rule_id")
    columns = {
        "kind": plan.kind,
        "amount_minor": plan.amount_minor,
        "currency": plan.currency,
        "coupon_code": plan.coupon_code,
        "first_n": plan.first_n,
        "budget_minor": plan.budget_minor,
    }
    await session.execute(
        insert(Rule)
        .values(sale_id=sale_id, rule_id=plan.rule_id, **columns)
        .on_conflict_do_update(index_elements=["sale_id", "rule_id"], set_=columns)
    )
    await open_accounts(session, sale_id, plan.rule_id, plan.currency)
    await _fund(session, sale_id, plan.rule_id, plan.currency, plan.budget_minor)


def _refuse_broken_promise(plan: RulePlan, rule: Rule) -> None:
    if rule.granted == 0:
        return
    for field in ("kind", "currency", "amount_minor", "coupon_code"):
        if getattr(plan, field) != getattr(rule, field):
            raise RuleAlreadyGranted(plan.rule_id, field)
    if plan.first_n is not None and plan.first_n < rule.granted:
        raise RuleAlreadyGranted(plan.rule_id, "first_n")


async def _remove(session: WriteSession, rule: Rule) -> None:
    if rule.granted:
        raise RuleAlreadyGranted(rule.rule_id, "rule_id")
    await _fund(session, rule.sale_id, rule.rule_id, rule.currency, 0)
    await session.execute(delete(Rule).where(Rule.sale_id == rule.sale_id, Rule.rule_id == rule.rule_id))


async def _fund(session: WriteSession, sale_id: str, rule_id: str, currency: str, budget_minor: int) -> None:
    """Brings what funding has put in to `budget_minor`: the difference moves, never the whole again."""
    funding, budget = account_id("funding", sale_id, rule_id), account_id("budget", sale_id, rule_id)
    balances = await lock_balances(session, [funding, budget])
    difference = budget_minor + balances[funding]  # funding holds what it gave, negative
    if difference == 0:
        return
    if balances[budget] + difference < 0:
        raise BudgetBelowPromised(
            rule_id, budget_minor=budget_minor, used_minor=-balances[funding] - balances[budget]
        )
    number = await session.scalar(
        select(func.count()).where((Transfer.debit_account == funding) | (Transfer.credit_account == funding))
    )
    subject = f"{sale_id}/{rule_id}/{number}"  # the nth change of this budget; the rule's lock makes n unique
    if difference > 0:
        movement = Movement(funding, budget, difference, currency, "funded", subject)
    else:
        movement = Movement(budget, funding, -difference, currency, "returned", subject)
    await post(session, [movement])
