"""Lending between the buckets of an item: no unit lies idle in one while another says "sold out".

In Redis the lender is lowered first, then one transaction moves the units, then the borrower is raised: a crash in between
leaves Redis below the ledger, and the repair mends it. Where Redis does not know enough the ledger lends by itself, under
new epochs.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis

from flashsale import keys, metrics
from flashsale.committer import Committed, GroupCommitter
from flashsale.ledger import Decision, lock_buckets
from flashsale.lending import LENDING_ROUNDS_MAX, Loan, judge_need, plan_loans
from flashsale.loans import Found, Lent, lend_where_needed, move_units
from flashsale.rules import BucketName, Wish
from flashsale.settings import FlashsaleSettings
from flashsale.snapshots import take_snapshots
from flashsale.stock import Claim, StockClaims
from kit.lua import LuaCall, LuaScript, run_all
from kit.postgres import Postgres

log = structlog.get_logger()

Said = TypeVar("Said")

_LEND: Final = LuaScript.from_file("flashsale", "lend")
_BORROW: Final = LuaScript.from_file("flashsale", "borrow")


class Borrowing:
    """One process's way to stock in buckets: claims and commits, each asked again after a loan where a bucket is empty."""

    def __init__(
        self,
        postgres: Postgres,
        stock: Redis,
        claims: StockClaims,
        committer: GroupCommitter,
        settings: FlashsaleSettings,
    ) -> None:
        self._postgres, self._stock, self._settings = postgres, stock, settings
        self._claims, self._committer = claims, committer

    async def claim(self, wishes: Sequence[Wish]) -> list[Claim]:
        """One outcome a wish. "Sold out" means that the item has not so many; what Redis cannot say is `away`."""
        claims = await self._claims.claim(wishes)
        return await self._ask_again(
            wishes, claims, self._claims.claim, _is_claimed_out, self._borrow, "away"
        )

    async def commit(self, wishes: Sequence[Wish]) -> list[Committed]:
        """One outcome a wish; what was sold out in its bucket is tried again with units of the others."""
        outcomes = await self._committer.commit(wishes)
        return await self._ask_again(
            wishes, outcomes, self._committer.commit, _is_decided_out, self._borrow_in_ledger, "not_written"
        )

    async def _ask_again(
        self,
        wishes: Sequence[Wish],
        said: list[Said],
        ask: Callable[[Sequence[Wish]], Awaitable[list[Said]]],
        is_out: Callable[[Said], bool],
        borrow: Callable[[BucketName, Sequence[Wish]], Awaitable[Found]],
        unknown: Said,
    ) -> list[Said]:
        """`said`, with what was out asked again after each loan, in rounds; `unknown` where they end without an answer."""
        open_places = [place for place, wish in enumerate(wishes) if wish.buckets > 1 and is_out(said[place])]
        for _ in range(LENDING_ROUNDS_MAX):
            if not open_places:
                return said
            again: list[int] = []
            for home, places in _by_home(wishes, open_places).items():
                found = await borrow(home, [wishes[place] for place in places])
                if found == "again":
                    again += places
                elif found == "unknown":
                    for place in places:
                        said[place] = unknown
            if again:
                for place, answer in zip(again, await ask([wishes[place] for place in again]), strict=True):
                    said[place] = answer
            open_places = [place for place in again if is_out(said[place])]
        for place in open_places:
            said[place] = unknown
        return said

    async def _borrow(self, home: BucketName, wishes: Sequence[Wish]) -> Found:
        """Borrows in Redis first. Whatever fails is the trouble of these wishes, not of those that are claimed already."""
        try:
            return await self._borrow_in_redis(home, wishes)
        except Exception as error:  # noqa: BLE001 - as above
            return _failed("redis", error)

    async def _borrow_in_redis(self, home: BucketName, wishes: Sequence[Wish]) -> Found:
        sale_id, sku, bucket = home
        names = [(sale_id, sku, each) for each in range(wishes[0].buckets)]
        seen = await take_snapshots(self._stock, names, claims=False)
        free = {each: max(0, shot.available) for each, shot in enumerate(seen) if shot.is_open}
        quantities = [wish.quantity for wish in wishes]
        match judge_need(bucket, quantities, free):
            case "gone":
                return "gone" if len(free) == len(names) else "unknown"
            case "elsewhere":
                await self._move(home, await self._lower(home, plan_loans(bucket, quantities, free)))
        return "again"

    async def _lower(self, home: BucketName, loans: Sequence[Loan]) -> list[Lent]:
        sale_id, sku, _ = home
        answers = await run_all(
            self._stock,
            [LuaCall(_LEND, [keys.stock(sale_id, sku, loan.lender)], [loan.units]) for loan in loans],
        )
        lent = []
        for loan, answer in zip(loans, answers, strict=True):
            # A lender whose answer was an error has perhaps been lowered, and is left to the repair.
            if not isinstance(answer, Exception) and answer[0] > 0:
                lent.append(Lent(loan.lender, answer[0], int(answer[1])))
        return lent

    async def _move(self, home: BucketName, lent: Sequence[Lent]) -> None:
        """The loan in the ledger, then in Redis. What the ledger does not move stays low in Redis until the repair."""
        if not lent:
            return
        async with asyncio.timeout(self._settings.commit_seconds_max):
            async with self._postgres.driver() as session:
                await lock_buckets(session, [home, *((*home[:2], each.lender) for each in lent)])
                moved = await move_units(session, home, lent, epoch_step=0)
        if moved is not None:
            units, epoch = moved
            metrics.STOCK_LENT_UNITS.labels(by="redis").inc(units)
            await _BORROW.run(self._stock, [keys.stock(*home)], [units, epoch])

    async def _borrow_in_ledger(self, home: BucketName, wishes: Sequence[Wish]) -> Found:
        """Borrows in the ledger alone."""
        try:
            async with asyncio.timeout(self._settings.commit_seconds_max):
                async with self._postgres.driver() as session:
                    return await lend_where_needed(session, home, [wish.quantity for wish in wishes])
        except Exception as error:  # noqa: BLE001 - the trouble of these wishes alone
            return _failed("ledger", error)


def _by_home(wishes: Sequence[Wish], places: Sequence[int]) -> dict[BucketName, list[int]]:
    homes: dict[BucketName, list[int]] = defaultdict(list)
    for place in places:
        wish = wishes[place]
        homes[wish.bucket].append(place)
    return homes


def _is_claimed_out(claim: Claim) -> bool:
    return claim in {"sold_out", "sold_out_to_buyer"}


def _is_decided_out(outcome: Committed) -> bool:
    return isinstance(outcome, Decision) and outcome.verdict == "sold_out"


def _failed(by: str, error: Exception) -> Found:
    log.warning("units_not_lent", by=by, error=type(error).__name__)
    return "unknown"
