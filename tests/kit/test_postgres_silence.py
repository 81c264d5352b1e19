"""A PostgreSQL that neither answers nor hangs up: whoever waits for it is told so in bounded time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from kit.embedded import ServerUrls
from kit.embedded.wire import Wire
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.settings import PostgresSettings

ENOUGH_SECONDS = 20.0  # several times all bounds together; reached only by who waits for ever


@pytest.fixture
async def frozen(servers: ServerUrls) -> AsyncIterator[Wire]:
    async with Wire(servers.database) as proxy:
        yield proxy


@pytest.fixture
async def behind(frozen: Wire) -> AsyncIterator[Postgres]:
    settings = PostgresSettings(
        database_url=frozen.url,
        postgres_statement_seconds=0.2,
        postgres_connect_seconds=0.5,
        postgres_pool_wait_seconds=0.5,
    )
    store = Postgres(settings, pool_connections_max=1)
    yield store
    frozen.heal()
    await store.close()


async def read(store: Postgres) -> None:
    async with store.read() as session:
        await session.execute(text("SELECT 1"))


async def write(store: Postgres) -> None:
    async with store.unit_of_work() as session:
        await session.execute(text("SELECT 1"))


@pytest.mark.parametrize("ask", [read, write])
async def test_a_pooled_connection_that_went_silent_is_given_up(
    frozen: Wire, behind: Postgres, ask: type
) -> None:
    """The first word on it is the pool's ping."""
    await ask(behind)
    frozen.silence()
    async with asyncio.timeout(ENOUGH_SECONDS):
        with pytest.raises(Unavailable):
            await ask(behind)
    frozen.heal()
    await ask(behind)


@pytest.mark.parametrize("opens", ["read", "read_snapshot", "unit_of_work"])
async def test_a_statement_without_an_answer_is_given_up(frozen: Wire, behind: Postgres, opens: str) -> None:
    async with asyncio.timeout(ENOUGH_SECONDS):
        with pytest.raises(Unavailable):
            async with getattr(behind, opens)() as session:
                await session.execute(text("SELECT 1"))
                frozen.silence()
                await session.execute(text("SELECT 2"))
    frozen.heal()
    await write(behind)


async def test_a_commit_without_an_answer_is_given_up(frozen: Wire, behind: Postgres) -> None:
    async with asyncio.timeout(ENOUGH_SECONDS):
        with pytest.raises(Unavailable):
            async with behind.unit_of_work() as session:
                await session.execute(text("SELECT 1"))
                frozen.silence()
    frozen.heal()
    await write(behind)
