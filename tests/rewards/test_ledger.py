"""The ledger: two sides, never below zero, only growing, the same fact once."""

import asyncio
import random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from kit.postgres import Postgres
from rewards.errors import BalanceTooLow
from rewards.ledger import Movement, account_id, open_accounts, post
from tests.rewards.conftest import balances


def _move(sale_id: str, debit: str, credit: str, amount: int, subject: str) -> Movement:
    return Movement(
        account_id(debit, sale_id, "r"),  # type: ignore[arg-type]
        account_id(credit, sale_id, "r"),  # type: ignore[arg-type]
        amount,
        "PTS",
        "funded" if debit == "funding" else "promised",
        f"{sale_id}/{subject}",
    )


async def _open(postgres: Postgres, sale_id: str, budget: int) -> None:
    async with postgres.unit_of_work() as session:
        await open_accounts(session, sale_id, "r", "PTS")
        await post(session, [_move(sale_id, "funding", "budget", budget, "start")])


async def test_a_transfer_moves_from_debit_to_credit_and_all_sums_to_zero(
    postgres: Postgres, sale_id: str
) -> None:
    await _open(postgres, sale_id, 100)
    async with postgres.unit_of_work() as session:
        assert await post(session, [_move(sale_id, "budget", "promised", 30, "a")]) == 1
    held = await balances(postgres, sale_id, "r")
    assert held == {"funding": -100, "budget": 70, "promised": 30, "paid": 0}
    assert sum(held.values()) == 0


async def test_the_same_fact_moves_money_once(postgres: Postgres, sale_id: str) -> None:
    await _open(postgres, sale_id, 100)
    for expected in (1, 0):
        async with postgres.unit_of_work() as session:
            assert await post(session, [_move(sale_id, "budget", "promised", 30, "a")]) == expected
    assert (await balances(postgres, sale_id, "r"))["budget"] == 70


async def test_an_account_never_goes_below_zero_and_the_refused_transfer_leaves_no_row(
    postgres: Postgres, sale_id: str
) -> None:
    await _open(postgres, sale_id, 100)
    with pytest.raises(BalanceTooLow):
        async with postgres.unit_of_work() as session:
            await post(session, [_move(sale_id, "budget", "promised", 101, "a")])
    async with postgres.read() as session:
        left = await session.scalar(
            text("SELECT count(*) FROM rewards.transfers WHERE subject = :s"), {"s": f"{sale_id}/a"}
        )
    assert left == 0
    assert (await balances(postgres, sale_id, "r"))["budget"] == 100


async def test_the_table_itself_refuses_a_negative_budget(postgres: Postgres, sale_id: str) -> None:
    await _open(postgres, sale_id, 100)
    with pytest.raises(IntegrityError, match="never_below_zero"):
        async with postgres.unit_of_work() as session:
            await session.execute(
                text("UPDATE rewards.accounts SET balance_minor = -1 WHERE account_id = :id"),
                {"id": account_id("budget", sale_id, "r")},
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rewards.transfers SET amount_minor = 1 WHERE subject = :s",
        "DELETE FROM rewards.transfers WHERE subject = :s",
        "TRUNCATE rewards.transfers",
    ],
)
async def test_transfers_refuse_to_be_changed(postgres: Postgres, sale_id: str, statement: str) -> None:
    await _open(postgres, sale_id, 100)
    with pytest.raises(DBAPIError, match="append-only"):
        async with postgres.unit_of_work() as session:
            parameters = {"s": f"{sale_id}/start"} if ":s" in statement else {}
            await session.execute(text(statement), parameters)


async def test_postings_in_opposite_directions_neither_deadlock_nor_lose_money(
    postgres: Postgres, sale_id: str
) -> None:
    """Goal: accounts are locked in one order. Method: forty postings cross each other on the same two accounts."""
    await _open(postgres, sale_id, 1_000)
    async with postgres.unit_of_work() as session:
        await post(session, [_move(sale_id, "budget", "promised", 500, "half")])
    dice = random.Random(7)

    async def cross(number: int) -> None:
        sides = ("budget", "promised") if number % 2 else ("promised", "budget")
        async with postgres.unit_of_work() as session:
            await post(session, [_move(sale_id, *sides, dice.randint(1, 9), str(number))])

    await asyncio.gather(*(cross(number) for number in range(40)))
    held = await balances(postgres, sale_id, "r")
    assert sum(held.values()) == 0
    assert held["budget"] + held["promised"] == 1_000
