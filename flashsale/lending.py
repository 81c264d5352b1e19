"""Which units one bucket of an item borrows from the others: the pure rule. No I/O, no clock."""

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple

LENDING_ROUNDS_MAX: Final = (
    4  # a round fails only where somebody else was faster; past these the ledger decides, or 503
)
# Of so many units beyond what is asked for, half come along: the next batch need not borrow again. Of fewer none do, so
# that the last units never travel further than to who has asked for them.
EVEN_FROM_UNITS: Final = 64

Need = Literal["gone", "at_home", "elsewhere"]


class Loan(NamedTuple):
    """Units that a bucket is asked for."""

    lender: int
    units: int


def judge_need(home: int, quantities: Collection[int], free: Mapping[int, int]) -> Need:
    """Where the units lie that were asked for in bucket `home`: nowhere, there by now, or in others too.

    `quantities` are those of the wishes that it could not serve, `free` the units free in each bucket.
    """
    if sum(free.values()) < min(quantities):
        return "gone"
    return "elsewhere" if free.get(home, 0) < sum(quantities) else "at_home"


def plan_loans(home: int, quantities: Collection[int], free: Mapping[int, int]) -> list[Loan]:
    """Loans that cover what `home` is short of, the richest bucket asked first; all there is, if that is less."""
    short = sum(quantities) - free.get(home, 0)
    loans: list[Loan] = []
    for units, lender in sorted(((units, bucket) for bucket, units in free.items()), reverse=True):
        if short <= 0 or units <= 0:
            break
        if lender == home:
            continue
        left = units - short
        loans.append(Loan(lender, short + left // 2 if left >= EVEN_FROM_UNITS else min(short, units)))
        short -= loans[-1].units
    return loans
