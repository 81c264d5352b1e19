"""A Redis of its own that restarts with an older file: it says nothing about the stock until it is loaded anew."""

from collections.abc import AsyncIterator

import pytest

from flashsale import loading, repair
from flashsale.board import StockBoard
from flashsale.errors import LimitReached
from flashsale.stock import EndedHold, StockClaims, give_back
from flashsale.upkeep import StockRepair, stock_views
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import StartService
from tests.flashsale.scenes import IMPATIENT, SKU, Shop, a_plan, a_request, a_wish, an_item
from tests.oldredis import OldRedis


@pytest.fixture
async def shop(postgres: Postgres, old_redis: OldRedis, sale_id: str) -> AsyncIterator[Shop]:
    """One unit on sale, its stock in a Redis of its own."""
    client = connect(old_redis.url, RedisSettings(), purpose="stock")
    opened = Shop(postgres, RedisRoles(client, client, client), a_plan(sale_id, an_item(total=1)))
    await opened.open()
    yield opened
    await client.aclose()


@pytest.fixture
async def back_in_time(shop: Shop, old_redis: OldRedis, start_service: StartService) -> Shop:
    """Redis believes that Ada has the unit. She gave it back, then Bob had it, and gave it back after the restart: the
    sums are right again and the names are wrong."""
    morning = await start_service(shop)
    ada = await morning.reserve(a_request(shop.sale_id, "ada"))
    await morning.stop()
    old_redis.remember()
    noon = await start_service(shop)
    async with shop.postgres.unit_of_work() as session:
        await noon.release(session, ada.reservation.reservation_id, "ada")
    bob = await noon.reserve(a_request(shop.sale_id, "bob"))
    await noon.stop()
    old_redis.come_back_old()
    await shop.stock.connection_pool.disconnect()  # else the first command meets the old server's socket
    async with shop.postgres.unit_of_work() as session:
        await noon.release(session, bob.reservation.reservation_id, "bob")
    assert await shop.taken() == 0
    return shop


async def test_it_says_neither_yes_nor_no_until_it_is_loaded_anew(
    back_in_time: Shop, start_service: StartService
) -> None:
    shop = back_in_time
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    assert await claims.claim([a_wish(shop.sale_id, "ada")]) == ["not_loaded"]
    async with shop.postgres.read() as session:
        (before,) = await stock_views(session, shop.stock, shop.sale_id)
    assert before.redis_available is None
    board = StockBoard()
    await board.refresh(shop.stock, shop.book)
    assert board.bands(shop.sale_id) == {SKU: "unknown"}
    await shop.repair()
    async with shop.postgres.read() as session:
        (after,) = await stock_views(session, shop.stock, shop.sale_id)
    assert (after.redis_available, after.redis_epoch) == (1, before.epoch + 1)
    service = await start_service(shop)
    assert not (await service.reserve(a_request(shop.sale_id, "ada"))).replayed


async def test_reports_leave_it_alone(back_in_time: Shop) -> None:
    shop = back_in_time
    available = await shop.available()
    async with shop.postgres.read() as session:
        (view,) = await stock_views(session, shop.stock, shop.sale_id)
    await give_back(shop.stock, [EndedHold(shop.sale_id, SKU, 0, "bob", 1, view.epoch)])
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    claims.settle(a_wish(shop.sale_id, "eve"), epoch=view.epoch)
    await claims.flush()
    assert await shop.available() == available == 0


async def test_a_load_that_a_restart_interrupted_is_not_opened(
    shop: Shop, old_redis: OldRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        async def run(self, *arguments: object) -> object:
            old_redis.remember()
            old_redis.come_back_old()
            await shop.stock.connection_pool.disconnect()
            return await opening.run(*arguments)  # type: ignore[arg-type]

    opening = loading._OPEN
    await shop.forget()
    (item,) = [
        each
        for each in await StockRepair(shop.postgres, shop.stock, IMPATIENT)._read_ledger()
        if each.sale_id == shop.sale_id
    ]
    (snapshot,) = await repair.take_snapshots(shop.stock, [item.name])
    monkeypatch.setattr(loading, "_OPEN", Interrupted())
    assert await StockRepair(shop.postgres, shop.stock, IMPATIENT)._loader.load(item, snapshot, "test") == 0
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    assert await claims.claim([a_wish(shop.sale_id, "ada")]) == ["not_loaded"]


async def test_without_the_binding_ada_may_never_buy_again(
    unbound: None, back_in_time: Shop, start_service: StartService
) -> None:
    """The control: an old Redis that is believed, and whose sums the repair finds in order."""
    shop = back_in_time
    for _ in range(2):
        await shop.repair()
    service = await start_service(shop)
    with pytest.raises(LimitReached):
        await service.reserve(a_request(shop.sale_id, "ada"))
