"""Sold rows by the million, written in bulk: what a long sale leaves behind, made in seconds."""

from typing import Final

import asyncpg

from loadtests.bench.stores import Stores

CHUNK_ROWS: Final = 250_000
CHUNK_SECONDS_MAX: Final = 600.0
_WRITE: Final = """
INSERT INTO flashsale.reservations (
    reservation_id, sale_id, sku, user_id, quantity, amount_minor, currency, state, end_reason, held_at, expires_at, ended_at,
    idempotency_key, request_fingerprint, admission_id, admission_position, epoch
)
SELECT
    md5($1 || $2 || number)::uuid, $1, $2, 'sold-' || $2 || '-' || number, 1, 19900, 'CNY', 'confirmed', 'paid', now(), now(),
    now(), 'key-' || number, ''::bytea, md5($1 || $2 || number)::uuid, number, 0
FROM generate_series($3::bigint, $4::bigint) AS number
"""
# The stock grows with what is sold, so that as many units are free as before. An item's stock is what its buckets have together.
_COUNT: Final = """
WITH bucket AS (
    UPDATE flashsale.buckets SET taken = taken + $3, total = total + $3 WHERE sale_id = $1 AND sku = $2 AND bucket = 0
)
UPDATE flashsale.items SET total = total + $3 WHERE sale_id = $1 AND sku = $2
"""
_LEAVE: Final = """
WITH bucket AS (
    UPDATE flashsale.buckets SET total = taken + $3 WHERE sale_id = $1 AND sku = $2 AND bucket = 0 RETURNING total
)
UPDATE flashsale.items SET total = bucket.total FROM bucket WHERE sale_id = $1 AND sku = $2
"""
_FILLED: Final = (
    "SELECT count(*) FROM flashsale.reservations WHERE sale_id = $1 AND starts_with(user_id, 'sold-')"
)


def fill(stores: Stores, sale_id: str, sku: str, rows: int, *, first: int = 1) -> None:
    """Sold rows `first` to `rows` of an item of one bucket. Redis does not hear of it: nothing that it counts has changed."""

    async def write(connection: asyncpg.Connection) -> None:
        for begin in range(first, rows + 1, CHUNK_ROWS):
            last = min(begin + CHUNK_ROWS - 1, rows)
            async with connection.transaction():
                await connection.execute(_COUNT, sale_id, sku, last - begin + 1, timeout=CHUNK_SECONDS_MAX)
                await connection.execute(_WRITE, sale_id, sku, begin, last, timeout=CHUNK_SECONDS_MAX)
        await connection.execute("ANALYZE flashsale.reservations", timeout=CHUNK_SECONDS_MAX)
        # Or the log of all this would be written back while something is measured.
        await connection.execute("CHECKPOINT", timeout=CHUNK_SECONDS_MAX)

    stores.ask(write)


def leave(stores: Stores, sale_id: str, sku: str, units: int) -> None:
    """Only `units` of the item of one bucket are free from now on."""
    stores.ask(lambda connection: connection.execute(_LEAVE, sale_id, sku, units))


def filled(stores: Stores, sale_id: str) -> int:
    """Rows of the sale that `fill` has written: confirmed, and no payment or event ever was."""
    return int(stores.ask(lambda connection: connection.fetchval(_FILLED, sale_id)))
