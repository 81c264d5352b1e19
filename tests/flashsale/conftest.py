"""Real servers, opened shops, services of processes, and the guards that a control takes away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from flashsale import ledger, snapshots, statements, stock
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import ItemPlan
from flashsale.settings import FlashsaleSettings
from kit.embedded import ServerUrls
from kit.lua import LuaScript
from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.migrate import migrate
from tests.flashsale.paying import Held, Provider
from tests.flashsale.scenes import Shop, a_plan, a_request, an_item
from tests.patience import patient

OpenShop = Callable[..., Awaitable[Shop]]
StartService = Callable[..., Awaitable[Reservations]]


@pytest.fixture
def open_shop(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> OpenShop:
    """Opens the sale of this test with the given items."""

    async def open_it(*items: ItemPlan, loaded: bool = True, **changes: Any) -> Shop:
        shop = Shop(postgres, redis_roles, a_plan(sale_id, *items, **changes))
        await shop.open(loaded=loaded)
        return shop

    return open_it


@pytest.fixture
async def start_service() -> AsyncIterator[StartService]:
    """Starts a process's reservation service and stops it at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(shop: Shop, **options: Any) -> Reservations:
            service = shop.service(**options)
            await service.start()
            stack.push_async_callback(service.stop)
            return service

        yield start


@pytest.fixture(scope="session")
def unguarded_database(servers: ServerUrls) -> Iterator[str]:
    """A database of its own whose table lets itself be oversold: the controls show there what the guards prevent."""
    name = f"floodgate_control_{uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}"))
    asyncio.run(administer(servers.database, f"CREATE DATABASE {name}"))
    migrate(url)
    asyncio.run(administer(url, "ALTER TABLE flashsale.buckets DROP CONSTRAINT ck_buckets_never_oversold"))
    yield url
    asyncio.run(administer(servers.database, f"DROP DATABASE {name} WITH (FORCE)"))


async def administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def unguarded_postgres(unguarded_database: str) -> AsyncIterator[Postgres]:
    store = Postgres(patient(unguarded_database))
    yield store
    await store.close()


@pytest.fixture
def without_item_lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Removes the lock and the guarded updates, as if somebody had found them slow."""

    def remove() -> None:
        for name, guard in (
            ("LOCK_BUCKETS", "FOR UPDATE OF buckets"),
            ("INSERT_HOLDS", "AND buckets.taken + named.units <= buckets.total"),
            ("TAKE_UNITS", "AND buckets.taken + wanted.units <= buckets.total"),
        ):
            guarded = str(getattr(statements, name).clause)
            assert guard in guarded
            monkeypatch.setattr(statements, name, statements.statement(guarded.replace(guard, "")))

    return remove


@pytest.fixture
def meet_after_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes transactions wait for each other between reading and deciding, or for as long as a lock lets them."""

    def meet(parties: int) -> None:
        barrier = asyncio.Barrier(parties)
        find_standing = ledger.find_standing

        async def find_and_wait(*arguments: Any) -> Any:
            found = await find_standing(*arguments)
            with suppress(TimeoutError, asyncio.BrokenBarrierError):
                async with asyncio.timeout(0.3):
                    await barrier.wait()
            return found

        monkeypatch.setattr(ledger, "find_standing", find_and_wait)

    return meet


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def payments(postgres: Postgres, redis_roles: RedisRoles, provider: Provider) -> Payments:
    return Payments(
        postgres,
        provider,
        redis_roles.queue,
        FlashsaleSettings(),
        stock=redis_roles.stock,  # type: ignore[arg-type]
    )


@pytest.fixture
async def held(open_shop: OpenShop, start_service: StartService) -> Held:
    """Ada holds the only unit of a sale."""
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    reserved = await service.reserve(a_request(shop.sale_id, "ada"))
    return Held(shop=shop, service=service, id=reserved.reservation.reservation_id)


@pytest.fixture
def unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the binding to the server process away."""
    for name, check in (("_CLAIM", " or stock[4] ~= run"), ("_GIVE_BACK", " and stock[3] == run")):
        source = getattr(stock, name).source
        assert check in source
        monkeypatch.setattr(stock, name, LuaScript(source.replace(check, "")))
    source, check = snapshots._LOOK.source, " and stock[4] == run"
    assert check in source
    monkeypatch.setattr(snapshots, "_LOOK", LuaScript(source.replace(check, "")))
