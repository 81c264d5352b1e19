"""Everybody at once: every shopper of a sale has one state and one reason, and none of them needs attention.

The crowd's history names everybody who was told something; PostgreSQL names everybody who reserved.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import select

from flashsale.models import Reservation
from flashsale.sales import get_sale
from kit.postgres import Postgres, ReadSession
from ops.desk import readings
from ops.desk.facts import ShopperFacts
from ops.desk.gather import PlaceFinder, gather, no_records, read_records, read_sales_now
from ops.desk.rules import Reason, State, find_verdict
from ops.desk.texts import REASONS, STATES
from ops.invariants.rows import Row

ASKED_AT_ONCE: Final = 50  # places in flight; one Redis connection each
CENSUS_BATCH: Final = (
    500  # shoppers a transaction: each batch is seen at one instant, and no snapshot lives long
)


class Census:
    """What `take` counted."""

    def __init__(self) -> None:
        self.verdicts: Counter[tuple[State, Reason]] = Counter()
        self.without: list[str] = []

    def add(self, user_id: str, facts: ShopperFacts) -> None:
        try:
            verdict = find_verdict(facts)
            answered = verdict.state in STATES and verdict.reason in REASONS
        except Exception:  # noqa: BLE001 - a rule that fails is what this census is to find
            answered = False
        if answered:
            self.verdicts[verdict.state, verdict.reason] += 1
        else:
            self.without.append(user_id)

    def row(self) -> Row:
        """The truth: everybody has an answer, and nobody's facts contradict each other."""
        attention = sum(
            count for (state, _), count in self.verdicts.items() if state is State.NEEDS_ATTENTION
        )
        broken = len(self.without) + attention
        return Row(
            id="shoppers_one_state",
            what=f"every shopper has one state and one reason that makes sense ({self.verdicts.total()} looked at)",
            value=broken,
            unit="shoppers",
            goal="= 0",
            holds=broken == 0,
        )


async def take_census(
    postgres: Postgres, find_place: PlaceFinder, sale_id: str, users: Iterable[str] = ()
) -> Census:
    """Asks the desk's rules about `users` and everybody who reserved. Raises `SaleUnknown`, `Unavailable`."""
    census = Census()
    async with postgres.read_snapshot() as session:
        buyers = set(
            await session.scalars(
                select(Reservation.user_id).where(Reservation.sale_id == sale_id).distinct()
            )
        )
    everybody = sorted(buyers.union(users))
    for batch in _batches(everybody, CENSUS_BATCH):
        async with postgres.read_snapshot() as session:
            await _take_batch(session, find_place, sale_id, batch, buyers, census)
    return census


async def _take_batch(
    session: ReadSession,
    find_place: PlaceFinder,
    sale_id: str,
    batch: Sequence[str],
    buyers: set[str],
    census: Census,
) -> None:
    now = await readings.hold_still(session)
    (now_in,) = await read_sales_now(session, [await get_sale(session, sale_id)])
    for user_id in batch:
        if user_id in buyers:
            records = await read_records(session, user_id, now)
            facts = await gather(session, find_place, records, now_in, user_id, for_steps=False)
            census.add(user_id, facts)
    # Whoever reserved nothing is known to the waiting room alone: no query each, and many at once.
    waiting = [user_id for user_id in batch if user_id not in buyers]
    for some in _batches(waiting, ASKED_AT_ONCE):
        found = await asyncio.gather(
            *(gather(session, find_place, no_records(now), now_in, user_id) for user_id in some)
        )
        for user_id, each in zip(some, found, strict=True):
            census.add(user_id, each)


def _batches(users: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (users[start : start + size] for start in range(0, len(users), size))


async def judge_shoppers(
    postgres: Postgres, find_place: PlaceFinder, sale_id: str, users: Iterable[str] = ()
) -> Row:
    """The census as a row beside those of `ops.invariants.judge`. Raises `SaleUnknown`, `Unavailable`."""
    return (await take_census(postgres, find_place, sale_id, users)).row()
