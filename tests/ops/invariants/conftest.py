"""A database of its own without the guards that make most violations impossible, so that each can be planted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from kit.embedded import ServerUrls
from kit.postgres import Postgres
from ops.migrate import migrate
from tests.ops.invariants.scene import Scene, play
from tests.patience import patient

GUARDS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
WHERE nspname IN ('flashsale', 'queueing', 'rewards', 'ops') AND contype IN ('c', 'u')
UNION ALL
SELECT format('DROP INDEX %s', indexrelid::regclass)
FROM pg_index WHERE indisunique AND indpred IS NOT NULL AND indrelid::regclass::text ~ '^(flashsale|rewards)[.]'
"""


@pytest.fixture(scope="module")
def unguarded(servers: ServerUrls) -> Iterator[str]:
    """The URL of a migrated database whose checks and unique keys are gone."""
    name = f"floodgate_unguarded_{uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}"))
    asyncio.run(_run(servers.database, f"CREATE DATABASE {name}"))
    migrate(url)
    asyncio.run(_drop_guards(url))
    yield url
    asyncio.run(_run(servers.database, f"DROP DATABASE {name} WITH (FORCE)"))


async def _run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _drop_guards(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for (statement,) in await connection.fetch(GUARDS):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def ledger(unguarded: str) -> AsyncIterator[Postgres]:
    """The unguarded PostgreSQL."""
    store = Postgres(patient(unguarded))
    yield store
    await store.close()


@pytest.fixture
async def scene(ledger: Postgres, sale_id: str, tmp_path: Path) -> Scene:
    """One sale in which everything went as promised: rows, book and history agree."""
    return replace(await play(ledger, sale_id), history_path=tmp_path / "history.jsonl")
