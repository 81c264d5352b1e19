"""Behind a pooler that gives each transaction another session: statements, a sale, leadership."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from flashsale.errors import SoldOut
from kit.embedded import ServerUrls
from kit.errors import StartRefused, Unavailable
from kit.postgres import Postgres
from kit.reach import reach_postgres
from kit.redis import RedisRoles
from kit.settings import PostgresSettings
from kit.statements import Statement
from ops.keeper.leadership import Leadership
from tests.flashsale.scenes import Shop, a_plan, a_request, an_item
from tests.pooler import Pooler, pgbouncer

UNITS = 20
QUESTION = Statement(text("SELECT 41 + 1"))

pytestmark = pytest.mark.skipif(
    pgbouncer() is None and not os.environ.get("CI"), reason="pgbouncer is missing: tests/install_tools.sh"
)


@pytest.fixture(scope="module")
def pooler(servers: ServerUrls) -> Iterator[Pooler]:
    with tempfile.TemporaryDirectory(prefix="fg-pooler-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        started = Pooler(Path(folder), servers.database)
        started.start()
        yield started
        started.stop()


@pytest.fixture
async def stores(pooler: Pooler) -> AsyncIterator[list[Postgres]]:
    """Of two processes."""
    settings = PostgresSettings(database_url=pooler.url, postgres_pooled=True)
    opened = [Postgres(settings, pool_connections_max=2) for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


async def ask_in_one_session_and_again_in_another(one: Postgres, other: Postgres) -> None:
    """The pooler hands out the session that was used last; somebody else has that when the question comes again."""
    async with one.driver() as transaction:
        assert (await transaction.rows(QUESTION, {}))[0][0] == 42
    async with other.unit_of_work() as session:
        await session.execute(text("SELECT 'held'"))
        async with one.driver() as transaction:
            assert (await transaction.rows(QUESTION, {}))[0][0] == 42


async def test_a_statement_is_asked_again_in_whatever_session(stores: list[Postgres]) -> None:
    await ask_in_one_session_and_again_in_another(*stores)
    for store in stores:
        for way in (store.unit_of_work, store.read, store.read_snapshot):
            async with way() as session:
                assert (
                    await session.scalar(text("SELECT count(*) FROM ops.duties WHERE duty = :no"), {"no": ""})
                    == 0
                )
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with stores[0].read() as session:
            await session.execute(text("INSERT INTO ops.duties (duty, leader) VALUES ('x', 'y')"))


async def test_control_without_the_setting_the_other_session_does_not_know_it(pooler: Pooler) -> None:
    opened = [Postgres(PostgresSettings(database_url=pooler.url), pool_connections_max=2) for _ in range(2)]
    with pytest.raises(Exception, match=r"prepared statement .* does not exist"):
        await ask_in_one_session_and_again_in_another(*opened)
    for store in opened:
        await store.close()


async def test_two_services_sell_to_exactly_zero(
    stores: list[Postgres], redis_roles: RedisRoles, sale_id: str
) -> None:
    plan = a_plan(sale_id, an_item(total=UNITS))
    shops = [Shop(store, redis_roles, plan) for store in stores]
    for shop in shops:
        await shop.open()
    services = [shop.service() for shop in shops]
    for service in services:
        await service.start()

    async def buy(number: int) -> bool:
        key = uuid4().hex
        while True:
            try:
                await services[number % 2].reserve(a_request(sale_id, f"user-{number}", key=key))
            except SoldOut:
                return False
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return True

    bought = await asyncio.gather(*(buy(number) for number in range(2 * UNITS)))
    for service in services:
        await service.stop()
    assert sum(bought) == UNITS == await shops[0].taken() == await shops[1].units()
    assert await shops[0].available() == 0


async def test_a_duty_has_one_leader_by_the_direct_way_and_two_by_the_pooler(
    pooler: Pooler, servers: ServerUrls
) -> None:
    """The pooler's is the control: a session's lock belongs to whoever gets the session next."""
    for direct, leaders in ((servers.database, 1), (pooler.url, 2)):
        settings = PostgresSettings(database_url=pooler.url, database_direct_url=direct, postgres_pooled=True)
        duty = f"test-{uuid4().hex[:8]}"
        candidates = [Leadership(settings, duty=duty, leader=name) for name in ("one", "two")]
        assert sum([await each.take() is not None for each in candidates]) == leaders
        for each in candidates:
            each.resign()


async def test_a_start_without_the_roles_own_bounds_is_refused(servers: ServerUrls) -> None:
    settings = PostgresSettings(database_url=servers.database, postgres_pooled=True)
    with pytest.raises(StartRefused, match="ALTER ROLE … SET statement_timeout = '10s'"):
        await reach_postgres(settings, wait_seconds=0)
    bounds = "&statement_timeout=10s&idle_in_transaction_session_timeout=15s"  # as the role would say it
    bounded = settings.model_copy(update={"database_url": servers.database + bounds})
    await reach_postgres(bounded, wait_seconds=0)
