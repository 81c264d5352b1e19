"""PostgreSQL alone, with nothing before it: the least that selling an item durably takes.

`python -m loadtests.bench.baselines.ledgers SALE SKU CONNECTIONS ROWS BUCKETS SECONDS` sells over so many connections, so
many rows a transaction, each connection from one of the first BUCKETS buckets, into the gateway's own tables and
indexes. One row a transaction is what a plain shop does; many rows on few connections is the most that batches give. It
looks up no key and no limit. Prints {"rows", "seconds"}; it counts what has been committed.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import uvloop

TAKE = """
UPDATE flashsale.buckets SET taken = taken + $4
WHERE sale_id = $1 AND sku = $2 AND bucket = $3 AND taken + $4 <= total
RETURNING epoch
"""
WRITE = """
INSERT INTO flashsale.reservations (
    reservation_id, sale_id, sku, bucket, user_id, quantity, amount_minor, currency, state, held_at, expires_at,
    idempotency_key, request_fingerprint, admission_id, admission_position, epoch
)
SELECT id, $1, $2, $3, id::text, 1, 19900, 'CNY', 'held', now(), now() + interval '2 hours', id::text, ''::bytea, id, 0, $5
FROM unnest($4::uuid[]) AS id
"""


@dataclass(slots=True)
class Till:
    """One connection that sells from one bucket."""

    connection: asyncpg.Connection
    sale_id: str
    sku: str
    bucket: int
    rows: int
    sold: int = 0

    async def sell(self, until: float) -> None:
        """Once at least, then on until the clock says so."""
        take, write = await self.connection.prepare(TAKE), await self.connection.prepare(WRITE)
        while not self.sold or time.perf_counter() < until:
            async with self.connection.transaction():
                epoch = await take.fetchval(self.sale_id, self.sku, self.bucket, self.rows)
                assert epoch is not None, "there is always enough"
                await write.fetch(self.sale_id, self.sku, self.bucket, new_ids(self.rows), epoch)
            self.sold += self.rows


def new_ids(count: int) -> list[UUID]:
    """In the order of time, as the gateway's are: the index grows at its end."""
    now = time.time_ns()
    return [UUID(int=(now + place) << 64 | secrets.randbits(64)) for place in range(count)]


async def sell(
    sale_id: str, sku: str, *, connections: int, rows: int, buckets: int, seconds: float
) -> dict[str, float]:
    """Rows committed, and the seconds that took once everybody was connected."""
    async with AsyncExitStack() as stack:
        tills = []
        for number in range(connections):
            connection = await asyncpg.connect(os.environ["DATABASE_URL"])
            stack.push_async_callback(connection.close)
            tills.append(Till(connection, sale_id, sku, number % buckets, rows))
        started = time.perf_counter()
        await asyncio.gather(*(till.sell(started + seconds) for till in tills))
        return {"rows": sum(till.sold for till in tills), "seconds": time.perf_counter() - started}


def main(words: Sequence[str]) -> None:
    sale_id, sku, connections, rows, buckets, seconds = words
    done = uvloop.run(
        sell(
            sale_id,
            sku,
            connections=int(connections),
            rows=int(rows),
            buckets=int(buckets),
            seconds=float(seconds),
        )
    )
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
