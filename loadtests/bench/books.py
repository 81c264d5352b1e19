"""The books of every server that sells: the ledger in PostgreSQL, or for those that have none, Redis."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from loadtests.bench import keys
from loadtests.bench.client.lines import Tally
from loadtests.bench.stores import Sold, Stores, classic_ledger, ledger
from loadtests.bench.subjects import count_complaint, told_ids

Read = Callable[[asyncpg.Connection, str, str, Sequence[UUID]], Awaitable[Sold]]


@dataclass(slots=True)
class LedgerBooks:
    """Every id that was told is a row; the item's count is the sum of its rows; both are what was granted."""

    stores: Stores
    sale_id: str
    sku: str
    read: Read = ledger
    _sold: int = field(init=False)

    def __post_init__(self) -> None:
        self._sold = self._look([]).taken

    def _look(self, ids: Sequence[UUID]) -> Sold:
        return self.stores.ask(lambda connection: self.read(connection, self.sale_id, self.sku, ids))

    def complaint(self, tally: Tally) -> str | None:
        ids = told_ids(tally)
        sold = self._look(ids)
        before, self._sold = self._sold, sold.taken
        if sold.taken != sold.reserved:
            return f"{sold.taken} units taken, {sold.reserved} reserved"
        if sold.known != len(ids):
            return f"{len(ids) - sold.known} reservations that were told are not in the ledger"
        return count_complaint(
            before=before, after=sold.taken, total=sold.total, tally=tally, distinct=len(set(ids))
        )


def classic_books(stores: Stores, sale_id: str, sku: str) -> LedgerBooks:
    return LedgerBooks(stores, sale_id, sku, classic_ledger)


@dataclass(slots=True)
class RedisBooks:
    """Units that Redis has given away; for the gateway that commits nothing, and for nginx."""

    free_units: Callable[[], int]
    total: int
    _given: int = field(init=False)

    def __post_init__(self) -> None:
        self._given = self.total - self.free_units()

    def complaint(self, tally: Tally) -> str | None:
        before, self._given = self._given, self.total - self.free_units()
        distinct = len(set(told_ids(tally)))
        return count_complaint(
            before=before, after=self._given, total=self.total, tally=tally, distinct=distinct
        )


def nginx_books(stores: Stores, sale_id: str, sku: str, total: int) -> RedisBooks:
    """Fills the stock that `claim.lua` counts down."""
    redis: Any = stores.redis()
    redis.hset(keys.nginx_stock(sale_id), sku, total)
    return RedisBooks(lambda: int(redis.hget(keys.nginx_stock(sale_id), sku)), total)


def unwritten_books(stores: Stores, sale_id: str, sku: str, total: int) -> RedisBooks:
    redis: Any = stores.redis()
    return RedisBooks(lambda: int(redis.hget(keys.gateway_stock(sale_id, sku), "available")), total)


def stock_classic(stores: Stores, sale_id: str, items: Sequence[tuple[str, int]]) -> None:
    """Puts the items of baseline (c) on sale."""

    async def insert(connection: asyncpg.Connection) -> None:
        await connection.executemany(
            "INSERT INTO bench_classic.items (sale_id, sku, price_minor, total, taken, per_user_limit) "
            "VALUES ($1, $2, 19900, $3, 0, 1)",
            [(sale_id, sku, total) for sku, total in items],
        )

    stores.ask(insert)
