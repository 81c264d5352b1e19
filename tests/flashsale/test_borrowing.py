"""Stock in buckets sells to exactly zero and takes returned units back, whoever lives where."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from flashsale import borrowing, keys, models, statements
from flashsale.board import StockBoard
from flashsale.errors import LimitReached, SoldOut
from flashsale.facts import Reserved
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.paying import a_notice, expire, tell
from tests.flashsale.scenes import SKU, Shop, a_plan, a_request, an_item
from tests.flashsale.splitting import assert_whole, ledger_of, rush, users_of

UNBOUNDED = {"ledger_only_per_second": 10_000.0}


async def test_racing_shoppers_buy_exactly_all_buckets_and_buy_again_what_comes_back(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=200, buckets=8))
    services = [await start_service(shop) for _ in range(2)]
    # Nobody lives where the last 25 units lie.
    shoppers = users_of(0, 1, 2, 3, 4, 5, 6, buckets=8, number=300)
    assert await rush(services, shop, shoppers) == {"Reserved": 200, "SoldOut": 100}
    async with shop.postgres.read() as session:
        row = models.Reservation
        held = list(
            await session.execute(select(row.reservation_id, row.user_id).where(row.sale_id == shop.sale_id))
        )
    for reservation_id, user in held[:40]:
        async with shop.postgres.unit_of_work() as session:
            await services[0].release(session, reservation_id, user)
    late = users_of(7, buckets=8, number=60)  # who live where nothing has come back
    assert await rush(services, shop, late) == {"Reserved": 40, "SoldOut": 20}
    for service in services:
        await service.stop()
    await shop.repair()
    assert await shop.taken() == 200
    await assert_whole(shop, 200, 8)


async def test_without_lending_units_stay_unsold(
    open_shop: OpenShop, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: every bucket for itself, and "sold out" said of the empty one."""
    monkeypatch.setattr(borrowing, "judge_need", lambda *_: "gone")
    shop = await open_shop(an_item(total=40, buckets=8))
    service = await start_service(shop)
    shoppers = users_of(0, 1, 2, 3, 4, 5, 6, buckets=8, number=100)
    assert (await rush([service], shop, shoppers))["SoldOut"] == 65
    assert await shop.taken() == 35


async def test_a_limit_is_exact_however_many_buckets_and_processes_there_are(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=64, buckets=8, per_user_limit=2))
    services = [await start_service(shop) for _ in range(2)]
    answers = await rush(services, shop, [f"user{n % 20}" for n in range(200)])
    assert answers["Reserved"] == await shop.taken() == 40
    assert answers["LimitReached"] == 160


async def test_of_two_wishes_for_more_than_is_left_in_one_bucket_the_units_of_two_serve_one(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=3, buckets=3, per_user_limit=2))
    service = await start_service(shop)
    ada, bob = users_of(0, buckets=3, number=2)
    assert isinstance(await service.reserve(a_request(shop.sale_id, ada, quantity=2)), Reserved)
    with pytest.raises(SoldOut):
        await service.reserve(a_request(shop.sale_id, bob, quantity=2))
    assert isinstance(await service.reserve(a_request(shop.sale_id, bob)), Reserved)
    with pytest.raises(LimitReached):
        await service.reserve(a_request(shop.sale_id, ada))


async def _sell_two_and_poison(shop: Shop, service: Reservations) -> object:
    """Both buckets are sold, Redis believes in one more unit of the second; what a third shopper is told."""
    (ada, eve), (bob,) = users_of(0, buckets=2, number=2), users_of(1, buckets=2, number=1)
    assert await rush([service], shop, [ada, bob]) == {"Reserved": 2}
    await shop.stock.hincrby(keys.stock(shop.sale_id, SKU, 1), "available", 1)  # type: ignore[misc]
    return (await rush([service], shop, [eve])).popitem()[0]


async def test_a_bucket_lends_only_what_the_ledger_has_free_of_it(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=2, buckets=2))
    assert await _sell_two_and_poison(shop, await start_service(shop)) == "SoldOut"
    assert await shop.units() == 2


async def test_without_the_lenders_guard_a_poisoned_view_oversells(
    unguarded_postgres: Postgres,
    redis_roles: RedisRoles,
    sale_id: str,
    start_service: StartService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control, in a database without the table's check."""
    guarded, guard = str(statements.LEND_UNITS.clause), "AND buckets.taken <= buckets.total - loan.units"
    assert guard in guarded
    monkeypatch.setattr(statements, "LEND_UNITS", statements.statement(guarded.replace(guard, "")))
    shop = Shop(unguarded_postgres, redis_roles, a_plan(sale_id, an_item(total=2, buckets=2)))
    await shop.open()
    assert await _sell_two_and_poison(shop, await start_service(shop)) == "Reserved"
    assert await shop.units() == 3


async def test_late_money_is_served_with_a_unit_of_another_bucket(
    open_shop: OpenShop, start_service: StartService, payments: Payments
) -> None:
    shop = await open_shop(an_item(total=4, buckets=2))
    service = await start_service(shop)
    ada, bob, eve = users_of(0, buckets=2, number=3)
    held = (await service.reserve(a_request(shop.sale_id, ada))).reservation.reservation_id
    handle = await payments.open_payment(held, ada)
    await expire(shop, held)
    assert await rush([service], shop, [bob, eve]) == {"Reserved": 2}
    assert await tell(payments, shop.postgres, a_notice(handle)) == "regranted"
    assert [(row.total, row.taken) for row in await ledger_of(shop)] == [(3, 3), (1, 0)]
    await service.stop()
    await shop.repair()
    await assert_whole(shop, 4, 2)


async def test_an_item_is_marked_and_shown_as_gone_when_its_last_bucket_is(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=3, buckets=3))
    service, board = await start_service(shop), StockBoard()
    first, second, third, eve = users_of(0, buckets=3, number=4)
    for users, band in (([first, second], "few"), ([third], "none")):
        await rush([service], shop, users)
        await board.refresh(shop.stock, shop.book)
        await service.marks.refresh()
        assert service.marks.refuses(shop.sale_id, SKU, eve) == (band == "none")
    assert board.bands(shop.sale_id) == {SKU: "none"}
    assert not service.marks.refuses(shop.sale_id, SKU, first)


async def test_a_process_that_believes_in_another_number_of_buckets_decides_nothing(
    open_shop: OpenShop, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its view of the sale is a second old: another bucket may be its user's home by now."""
    shop = await open_shop(an_item(total=8, buckets=4))
    service = await start_service(shop)
    facts = shop.book.find_item(shop.sale_id, SKU)
    assert facts is not None
    monkeypatch.setattr(shop.book, "find_item", lambda *_: replace(facts, buckets=2))
    with pytest.raises(Unavailable):
        await service.reserve(a_request(shop.sale_id, users_of(1, buckets=4, number=1)[0]))
    assert await shop.taken() == 0
