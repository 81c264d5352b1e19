"""Sold rows in bulk are rows as the gateway would have left them: counted, ended, and as many units free as before."""

from uuid import uuid4

import asyncpg
import pytest

from kit.embedded import ServerUrls
from loadtests.bench import fill as fill_module
from loadtests.bench.fill import fill, filled, leave
from loadtests.bench.stores import Sold, Stores, ledger

MAKE_ITEM = """
INSERT INTO flashsale.items (sale_id, sku, price_minor, total, per_user_limit, texts) VALUES ($1, 'thing', 100, 50, 1, '{}')
"""
APPROVED = "SELECT total FROM flashsale.items WHERE sale_id = $1"


@pytest.fixture
def sale(servers: ServerUrls) -> tuple[Stores, str]:
    stores, sale_id = Stores(servers.as_environment(), {}), f"bench-{uuid4().hex[:12]}"

    async def insert(connection: asyncpg.Connection) -> None:
        await connection.execute(MAKE_ITEM, sale_id)
        await connection.execute(
            "INSERT INTO flashsale.buckets (sale_id, sku, bucket, total) VALUES ($1, 'thing', 0, 50)", sale_id
        )

    stores.ask(insert)
    return stores, sale_id


def read(stores: Stores, sale_id: str) -> Sold:
    return stores.ask(lambda connection: ledger(connection, sale_id, "thing", []))


def test_sold_rows_are_counted_and_leave_the_stock_as_free_as_before(
    sale: tuple[Stores, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, sale_id = sale
    monkeypatch.setattr(fill_module, "CHUNK_ROWS", 300)
    fill(stores, sale_id, "thing", 100)
    fill(stores, sale_id, "thing", 1_000, first=101)
    sold = read(stores, sale_id)
    assert (sold.taken, sold.reserved, sold.total) == (1_000, 1_000, 1_050)


def test_what_is_left_is_all_that_is_free(sale: tuple[Stores, str]) -> None:
    stores, sale_id = sale
    fill(stores, sale_id, "thing", 20)
    leave(stores, sale_id, "thing", 7)
    sold = read(stores, sale_id)
    assert sold.total - sold.taken == 7


def test_an_item_has_the_stock_that_its_bucket_has_whatever_was_written(sale: tuple[Stores, str]) -> None:
    stores, sale_id = sale
    fill(stores, sale_id, "thing", 20)
    assert stores.ask(lambda connection: connection.fetchval(APPROVED, sale_id)) == 70
    leave(stores, sale_id, "thing", 7)
    assert stores.ask(lambda connection: connection.fetchval(APPROVED, sale_id)) == 27


def test_rows_in_bulk_are_counted_apart_from_what_was_sold(sale: tuple[Stores, str]) -> None:
    stores, sale_id = sale
    fill(stores, sale_id, "thing", 20)
    assert (filled(stores, sale_id), filled(stores, "another")) == (20, 0)
