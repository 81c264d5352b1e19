"""Where the demo sale stands in the ledger, and waiting until nothing of it is on its way any more."""

import asyncio
import time
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from sqlalchemy import TextClause, text

from kit.errors import DomainError
from kit.postgres import Postgres
from ops.invariants.book import ProviderBook

POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """Units held and confirmed, and what is on its way."""

    units_held: int
    units_confirmed: int
    holds: int
    refunds: int
    events: int
    payouts: int
    charges_unheard: int = 0

    @property
    def units_taken(self) -> int:
        return self.units_held + self.units_confirmed

    @property
    def under_way(self) -> int:
        """How many things will still change by themselves."""
        return self.holds + self.refunds + self.events + self.payouts + self.charges_unheard


async def read_standing(postgres: Postgres, sale_id: str, book: ProviderBook | None = None) -> Standing:
    """Raises `Unavailable`, `ProviderUnknown`."""
    async with postgres.read() as session:
        row = (await session.execute(_statement("counts"), {"sale_id": sale_id})).one()
        unheard = 0
        if book is not None:
            charged = [entry.key for entry in await book.entries() if entry.kind == "payment"]
            unheard = await session.scalar(
                _statement("charges_unheard"), {"sale_id": sale_id, "charged": charged}
            )
    return Standing(
        units_held=int(row.units_held),
        units_confirmed=int(row.units_confirmed),
        holds=row.holds,
        refunds=row.refunds,
        events=row.events,
        payouts=row.payouts,
        charges_unheard=int(unheard or 0),
    )


async def wait_for_rest(
    postgres: Postgres, sale_id: str, book: ProviderBook, *, seconds_max: float
) -> Standing | None:
    """The standing once nothing is on its way, or what it is when patience ends; None when it cannot be read."""
    deadline = time.monotonic() + seconds_max
    standing: Standing | None = None
    while time.monotonic() < deadline:
        try:
            standing = await read_standing(postgres, sale_id, book)
        except DomainError:
            standing = None
        if standing is not None and standing.under_way == 0:
            break
        await asyncio.sleep(POLL_SECONDS)
    return standing


@cache
def _statement(name: str) -> TextClause:
    return text(resources.files("ops.run").joinpath("sql", f"{name}.sql").read_text("utf-8"))
