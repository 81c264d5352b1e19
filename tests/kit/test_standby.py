"""A primary and its synchronous standby: what was acknowledged is there after the promotion, and replicas decide nothing."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from kit.embedded.standby import EmbeddedPair
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.primary import Primary
from kit.settings import PostgresSettings

INSERT = text("INSERT INTO acknowledged (id) VALUES (:id)")
PATIENCE_SECONDS = 60
ENOUGH_TO_SEE = 40  # commits before and after
_ids = count(1)


@pytest.fixture(scope="module")
def shared_pair() -> Iterator[EmbeddedPair]:
    with tempfile.TemporaryDirectory(prefix="fg-pair-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        pair = EmbeddedPair(Path(folder))
        pair.start()
        pair.ask(pair.primary, "CREATE TABLE acknowledged (id bigint PRIMARY KEY)")
        yield pair
        pair.stop()


@pytest.fixture
def pair(shared_pair: EmbeddedPair) -> Iterator[EmbeddedPair]:
    """Whole at the beginning of each test."""
    primary = shared_pair.primary
    yield shared_pair
    if shared_pair.primary != primary:
        shared_pair.rejoin()


@pytest.fixture
async def store(pair: EmbeddedPair) -> AsyncIterator[Postgres]:
    opened = Postgres(PostgresSettings(database_url=pair.url), pool_connections_max=4)
    yield opened
    await opened.close()


async def commit(store: Postgres) -> int:
    new = next(_ids)
    async with store.unit_of_work() as session:
        await session.execute(INSERT, {"id": new})
    return new


async def fail_over(pair: EmbeddedPair) -> None:
    await asyncio.to_thread(pair.kill_primary)
    await asyncio.to_thread(pair.promote)


async def all_ids(store: Postgres) -> set[int]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with store.read() as session:
                    return set((await session.execute(text("SELECT id FROM acknowledged"))).scalars())
            except Unavailable:
                await asyncio.sleep(0.05)


async def test_what_was_acknowledged_before_the_promotion_is_there_after_it(
    pair: EmbeddedPair, store: Postgres
) -> None:
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def keep_committing() -> None:
        while not enough.is_set():
            try:
                acknowledged.append(await commit(store))
            except Unavailable:
                await asyncio.sleep(0.01)

    async def until(number: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(acknowledged) < number:  # noqa: ASYNC110 - four writers add to it
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(keep_committing()) for _ in range(4)]
    await until(ENOUGH_TO_SEE)
    await fail_over(pair)
    await until(len(acknowledged) + ENOUGH_TO_SEE)
    enough.set()
    await asyncio.gather(*writers)
    assert set(acknowledged) <= await all_ids(store)


async def test_control_an_asynchronous_standby_that_has_fallen_behind_loses_what_was_acknowledged(
    pair: EmbeddedPair, store: Postgres
) -> None:
    await asyncio.to_thread(pair.wait_for_standby, synchronous=False)
    await asyncio.to_thread(pair.leave_behind)
    acknowledged = {await commit(store) for _ in range(ENOUGH_TO_SEE)}
    await fail_over(pair)
    assert acknowledged.isdisjoint(await all_ids(store))


async def test_who_stops_waiting_for_a_commit_makes_nobody_see_it(
    pair: EmbeddedPair, store: Postgres
) -> None:
    await commit(store)  # connections are there
    await asyncio.to_thread(pair.leave_behind)
    mine = next(_ids)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), store.unit_of_work() as session:
            await session.execute(INSERT, {"id": mine})
    assert mine not in await all_ids(store)
    await fail_over(pair)
    assert mine not in await all_ids(store)


async def test_control_a_cancelled_commit_is_seen_by_everybody_and_lost_by_the_promotion(
    pair: EmbeddedPair, store: Postgres
) -> None:
    await asyncio.to_thread(pair.leave_behind)
    mine = next(_ids)
    plain = await asyncpg.connect(pair.url_of(pair.primary))
    with pytest.raises(TimeoutError):
        await plain.execute("INSERT INTO acknowledged (id) VALUES ($1)", mine, timeout=1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while mine not in await all_ids(store):  # noqa: ASYNC110 - another server's doing
            await asyncio.sleep(0.01)
    await fail_over(pair)
    assert mine not in await all_ids(store)
    plain.terminate()


async def test_nothing_is_decided_on_a_replica(pair: EmbeddedPair) -> None:
    replica = Postgres(PostgresSettings(database_url=pair.url_of(pair.standby)), pool_connections_max=1)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await commit(replica)
        with pytest.raises(Unavailable):
            async with replica.driver() as transaction:
                await transaction._connection.execute("INSERT INTO acknowledged (id) VALUES (0)")
    await all_ids(replica)  # what was read there is no decision
    await replica.close()


async def test_a_server_that_says_nothing_does_not_use_up_its_successors_time(pair: EmbeddedPair) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # the kernel answers for it, and nobody else
    url = pair.url.replace("@", f"@127.0.0.1:{silent.getsockname()[1]},")
    primary = Primary(url)
    for _ in range(2):  # the second time it is asked last
        connection = await primary.connect(timeout=6)
        assert not await connection.fetchval("SELECT pg_is_in_recovery()")
        await connection.close()
    with pytest.raises(TimeoutError):  # control: the driver's own way
        await asyncpg.connect(url, timeout=2)
    silent.close()
