"""The double-entry ledger of rewards: integer minor units, append-only, every transfer with two sides.

A transfer moves its amount out of the debit account into the credit account; a balance is what came in less what
went out, so all balances of a currency sum to zero and only `funding` may be negative.

Locking: the accounts of one posting are locked in the order of their ids, after any rule, payout or grant row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from kit.ids import new_id
from kit.postgres import WriteSession
from rewards.errors import BalanceTooLow
from rewards.models import Account, Transfer

AccountKind = Literal["funding", "budget", "promised", "paid"]
Reason = Literal["funded", "promised", "paid", "returned"]


def account_id(kind: AccountKind, sale_id: str, rule_id: str) -> str:
    return f"{kind}/{sale_id}/{rule_id}"


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer to post. `reason` and `subject` name the business fact, which moves money once."""

    debit: str
    credit: str
    amount_minor: int
    currency: str
    reason: Reason
    subject: str


async def open_accounts(session: WriteSession, sale_id: str, rule_id: str, currency: str) -> None:
    """The four accounts of a rule; those that exist stay as they are."""
    kinds: tuple[AccountKind, ...] = ("budget", "funding", "paid", "promised")
    rows = [
        {"account_id": account_id(kind, sale_id, rule_id), "kind": kind, "currency": currency}
        for kind in kinds
    ]
    await session.execute(insert(Account).values(rows).on_conflict_do_nothing())


async def lock_balances(session: WriteSession, account_ids: Iterable[str]) -> dict[str, int]:
    """Balances in minor units, locked until the transaction ends; unknown accounts are left out."""
    found = await session.execute(
        select(Account.account_id, Account.balance_minor)
        .where(Account.account_id.in_(sorted(set(account_ids))))
        .order_by(Account.account_id)
        .with_for_update()
    )
    return {row.account_id: row.balance_minor for row in found}


async def post(session: WriteSession, movements: Iterable[Movement]) -> int:
    """Posts what was not posted before; how many transfers that were.

    A movement whose `reason` and `subject` exist is passed over: the same fact moves money once. Raises
    `BalanceTooLow`; the caller's transaction must then end without a commit.
    """
    wanted = {(m.reason, m.subject): m for m in movements}
    if not wanted:
        return 0
    balances = await lock_balances(session, [side for m in wanted.values() for side in (m.debit, m.credit)])
    fresh = await _insert(session, wanted.values())
    changed: dict[str, int] = {}
    for fact in fresh:
        movement = wanted[fact]
        changed[movement.debit] = changed.get(movement.debit, 0) - movement.amount_minor
        changed[movement.credit] = changed.get(movement.credit, 0) + movement.amount_minor
    for account, delta in sorted(changed.items()):
        if balances[account] + delta < 0 and not account.startswith("funding/"):
            raise BalanceTooLow(account)
        await session.execute(
            update(Account)
            .where(Account.account_id == account)
            .values(balance_minor=Account.balance_minor + delta)
            .execution_options(synchronize_session=False)
        )
    return len(fresh)


async def _insert(session: WriteSession, wanted: Iterable[Movement]) -> set[tuple[Reason, str]]:
    rows = [
        {
            "transfer_id": new_id(),
            "debit_account": m.debit,
            "credit_account": m.credit,
            "amount_minor": m.amount_minor,
            "currency": m.currency,
            "reason": m.reason,
            "subject": m.subject,
        }
        for m in wanted
    ]
    inserted = await session.execute(
        insert(Transfer)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["reason", "subject"])
        .returning(Transfer.reason, Transfer.subject)
    )
    return {(row.reason, row.subject) for row in inserted}
