"""Loans between the buckets of an item in the ledger, in the caller's transaction. Never commits.

Every bucket that takes part is locked, in the one order, before a unit moves.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from flashsale import metrics, statements
from flashsale.ledger import lock_buckets
from flashsale.lending import judge_need, plan_loans
from flashsale.rules import BucketName, ItemState
from kit.statements import Rows

# again: units have come, or may have. gone: the item has not so many. unknown: not to be found out here and now.
Found = Literal["again", "gone", "unknown"]


class Lent(msgspec.Struct, frozen=True, gc=False):
    """Units of a lender that are free under its `epoch`."""

    lender: int
    units: int
    epoch: int


async def lend_where_needed(session: Rows, home: BucketName, quantities: Sequence[int]) -> Found:
    """Lends to `home` what the other buckets have of those quantities; by the ledger alone, so under new epochs."""
    free = await _read_free(session, home)
    need = judge_need(home[2], quantities, {bucket: each.units for bucket, each in free.items()})
    if need == "elsewhere":
        await _lend(session, home, quantities, free)
    return "gone" if need == "gone" else "again"


async def lock_with_loans(session: Rows, home: BucketName, quantity: int) -> ItemState:
    """The bucket, locked until the caller's transaction ends, with what it was short of borrowed from the item's others.

    All of them are locked, so what it has not then, the item has not.
    """
    free = await _read_free(session, home)
    locked = await lock_buckets(session, [(*home[:2], bucket) for bucket in free])
    now = {name[2]: Lent(name[2], each.total - each.taken, each.epoch) for name, each in locked.items()}
    if now[home[2]].units >= quantity or not await _lend(session, home, [quantity], now):
        return locked[home]
    return (await lock_buckets(session, [home]))[home]


async def move_units(
    session: Rows, home: BucketName, lent: Sequence[Lent], *, epoch_step: int
) -> tuple[int, int] | None:
    """Moves what the lenders can give to `home`, under the locks of all: the units and its epoch, or None for none."""
    sale_id, sku, bucket = home
    rows = await session.rows(
        statements.LEND_UNITS,
        {
            "sale_id": sale_id,
            "sku": sku,
            "home": bucket,
            "lenders": [each.lender for each in lent],
            "units": [each.units for each in lent],
            "epochs": [each.epoch for each in lent],
            "epoch_step": epoch_step,
        },
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


async def _read_free(session: Rows, home: BucketName) -> dict[int, Lent]:
    rows = await session.rows(statements.FREE_UNITS, {"sale_id": home[0], "sku": home[1]})
    return {bucket: Lent(bucket, int(units), int(epoch)) for bucket, units, epoch in rows}


async def _lend(session: Rows, home: BucketName, quantities: Sequence[int], free: Mapping[int, Lent]) -> bool:
    """A loan of the ledger alone: Redis has not been lowered, so both sides go on under new epochs."""
    loans = plan_loans(home[2], quantities, {bucket: each.units for bucket, each in free.items()})
    if not loans:
        return False
    lent = [Lent(loan.lender, loan.units, free[loan.lender].epoch) for loan in loans]
    await lock_buckets(session, [home, *((*home[:2], each.lender) for each in lent)])
    moved = await move_units(session, home, lent, epoch_step=1)
    if moved is not None:
        metrics.STOCK_LENT_UNITS.labels(by="ledger").inc(moved[0])
    return moved is not None
