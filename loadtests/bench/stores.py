"""Redis and PostgreSQL for one bench: the embedded ones, or those that the environment names; and looks into them."""

import asyncio
import json
import os
import select
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from redis import Redis

from loadtests.bench.cores import Layout
from loadtests.bench.launch import ROOT, DoesNotStart, end, python, settle

START_SECONDS_MAX: Final = 60.0  # a fresh PostgreSQL is made first
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """Addresses, and process ids where the servers are ours."""

    environment: Mapping[str, str]
    pids: Mapping[str, int]

    @property
    def redis_port(self) -> int:
        return urlsplit(self.environment["REDIS_STOCK_URL"]).port or 6379

    def redis(self) -> Redis:
        return Redis.from_url(self.environment["REDIS_STOCK_URL"])

    def on_offer(self) -> frozenset[bytes]:
        """The buckets that Redis may sell from, read as anyone with that Redis could."""
        with self.redis() as redis:
            hashes: Any = list(redis.scan_iter(count=1000, _type="hash"))
            return frozenset(key for key in hashes if redis.hexists(key, "open"))

    def ask(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """One connection for one question; not from a running event loop."""
        return asyncio.run(self.asking(question))

    async def asking(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await asyncpg.connect(self.environment["DATABASE_URL"])
        try:
            return await question(connection)
        finally:
            await connection.close()


@contextmanager
def stores(
    folder: Path, layout: Layout, *, named: Mapping[str, str] | None = None, clustered: bool = False
) -> Iterator[Stores]:
    """The servers, up and empty: every bench begins so. What `named` names by its variable is used and not started.

    Raises `DoesNotStart`, also where another bench uses the folder.
    """
    words = ["--fresh", "--folder", str(folder), *(["--clustered"] if clustered else [])]
    process = subprocess.Popen(
        python("-m", "kit.embedded", *words),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=settle(layout.stores),  # noqa: PLW1509 - this process has one thread when it starts others
        env={**os.environ, **(named or {})},
    )
    try:
        told = _first_line(process)
        started = Stores(told["environment"], told["pids"])
        if started.pids.keys() & {"redis", "redis-node-1"}:
            _never_rewrite(started.environment["REDIS_STOCK_URL"])
        yield started
    finally:
        end(process)


def _never_rewrite(url: str) -> None:
    """Rewriting its log takes a Redis's core in whichever run it happens to fall. A cluster's address names all nodes."""
    for place in urlsplit(url).netloc.split(","):
        host, _, port = place.rpartition(":")
        with Redis(host, int(port)) as node:
            node.config_set("auto-aof-rewrite-percentage", 0)


def _first_line(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS_MAX)
    line = process.stdout.readline() if readable else b""
    if not line:
        process.terminate()
        said = process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        raise DoesNotStart(f"The stores do not start: {' '.join(said) or 'they said nothing'}")
    told: dict[str, Any] = json.loads(line)
    return told


@dataclass(frozen=True, slots=True)
class Sold:
    """What a ledger says of one item."""

    total: int
    taken: int
    reserved: int  # Σ quantity of its living reservations
    known: int  # how many of the ids that were asked about it has


async def ledger(connection: asyncpg.Connection, sale_id: str, sku: str, ids: Sequence[UUID]) -> Sold:
    """The gateway's own ledger, read as anyone with the database could."""
    row = await connection.fetchrow(
        """
        SELECT sum(total)::bigint AS total, sum(taken)::bigint AS taken,
            (SELECT coalesce(sum(quantity), 0) FROM flashsale.reservations
             WHERE sale_id = $1 AND sku = $2 AND state IN ('held', 'confirmed')) AS reserved,
            (SELECT count(*) FROM flashsale.reservations WHERE reservation_id = ANY($3::uuid[])) AS known
        FROM flashsale.buckets WHERE sale_id = $1 AND sku = $2
        """,
        sale_id,
        sku,
        ids,
    )
    return Sold(*row)


async def classic_ledger(connection: asyncpg.Connection, sale_id: str, sku: str, ids: Sequence[UUID]) -> Sold:
    """The same of baseline (c)."""
    row = await connection.fetchrow(
        """
        SELECT items.total, items.taken,
            (SELECT coalesce(sum(quantity), 0) FROM bench_classic.purchases
             WHERE sale_id = $1 AND sku = $2) AS reserved,
            (SELECT count(*) FROM bench_classic.purchases WHERE reservation_id = ANY($3::uuid[])) AS known
        FROM bench_classic.items WHERE sale_id = $1 AND sku = $2
        """,
        sale_id,
        sku,
        ids,
    )
    return Sold(*row)
