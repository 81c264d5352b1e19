"""The judge after each test: whatever a test did to its sale through the rooms, the truths of the stock hold at its end.

A control that breaks a truth on purpose says so with `@pytest.mark.breaks("truth_id")`; then it must be broken.
"""

from dataclasses import asdict
from typing import Final

import pytest
from sqlalchemy import text

from kit.postgres import Postgres
from ops.invariants.truths import Bounds, read_truth

# Those that hold whichever doors a test goes round. The others ask for what tests play without: a waiting room before the
# sale, staff who applied it, a keeper and workers that run on, deadlines that nobody moved.
AFTER_EACH_TEST: Final = (
    "stock_within_total",
    "stock_taken_is_sum",
    "stock_buckets_are_total",
    "users_within_limit",
    "holds_end_once",
    "money_serves_or_returns",
    "confirmed_once_announced",
    "ledger_sums_to_zero",
    "ledger_balances_are_transfers",
    "budget_never_negative",
)

# One statement for all of them, for it is asked after some hundred tests. What was never sold by this room (tests of other
# rooms make up the events that they live by) is not judged.
_JUDGE: Final = text(
    "\nUNION ALL\n".join(
        f"SELECT DISTINCT '{truth_id}' AS truth FROM (\n{read_truth(truth_id).text}\n) AS found "
        "WHERE EXISTS (SELECT FROM flashsale.sales WHERE sale_id = :sale_id)"
        for truth_id in AFTER_EACH_TEST
    )
)


async def find_broken(postgres: Postgres, sale_id: str) -> set[str]:
    """The truths that do not hold of a sale."""
    given = asdict(Bounds()) | {"sale_id": sale_id}
    wanted = {name: given[name] for name in _JUDGE.compile().params}
    async with postgres.read() as session:
        return set(await session.scalars(_JUDGE, wanted))


async def judge_after(test: pytest.Item, postgres: Postgres, sale_id: str) -> None:
    """Fails the test whose sale breaks a truth, and the control whose sale does not."""
    meant = {truth_id for mark in test.iter_markers("breaks") for truth_id in mark.args}
    assert meant <= set(AFTER_EACH_TEST), f"{meant - set(AFTER_EACH_TEST)} is not judged after tests"
    broken = await find_broken(postgres, sale_id)
    assert broken == meant, f"broken and not meant: {broken - meant}; meant and not broken: {meant - broken}"
