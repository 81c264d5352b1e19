"""Stock in buckets sells to exactly zero and takes returned units back, whatever is lost between two steps of a loan."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import select

from flashsale import loans, models, statements
from flashsale.board import StockBoard
from flashsale.committer import GroupCommitter
from flashsale.errors import LimitReached, SoldOut
from flashsale.facts import Reserved
from flashsale.lending import Loan
from flashsale.loans import LendingStock, Lent, move_units
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.rules import BucketName, home_bucket
from flashsale.settings import FlashsaleSettings
from flashsale.snapshots import StockSnapshot, take_snapshots
from flashsale.stock import StockClaims
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.paying import a_notice, expire, tell
from tests.flashsale.scenes import SKU, Shop, a_plan, a_request, an_item

UNBOUNDED = {"ledger_only_per_second": 10_000.0}


def users_of(*homes: int, buckets: int, number: int) -> list[str]:
    """The first users who live in those buckets of so many."""
    return list(islice((f"user{n}" for n in count() if home_bucket(f"user{n}", buckets) in homes), number))


async def rush(services: Sequence[Reservations], shop: Shop, users: Sequence[str]) -> Counter[str]:
    """All at once, over all services; how many got which answer."""
    answers = await asyncio.gather(
        *(services[n % len(services)].reserve(a_request(shop.sale_id, user)) for n, user in enumerate(users)),
        return_exceptions=True,
    )
    return Counter(type(answer).__name__ for answer in answers)


async def ledger_of(shop: Shop) -> list[models.Bucket]:
    async with shop.postgres.read() as session:
        row = models.Bucket
        found = await session.scalars(
            select(row).where(row.sale_id == shop.sale_id).order_by(row.sku, row.bucket)
        )
        return list(found)


async def redis_of(shop: Shop, buckets: int) -> list[StockSnapshot]:
    return await take_snapshots(shop.stock, [(shop.sale_id, SKU, bucket) for bucket in range(buckets)])


async def assert_whole(shop: Shop, total: int, buckets: int) -> None:
    """No unit was made or lost, and Redis offers bucket by bucket what the ledger has."""
    ledger = await ledger_of(shop)
    assert sum(row.total for row in ledger) == total
    assert await shop.taken() == await shop.units()
    seen = await redis_of(shop, buckets)
    assert [shot.available for shot in seen] == [row.total - row.taken for row in ledger]
    assert all(shot.is_open and not shot.pending for shot in seen)


def lending(shop: Shop) -> LendingStock:
    settings = FlashsaleSettings()
    return LendingStock(
        shop.postgres,
        shop.stock,
        StockClaims(shop.stock, shop.book, rest_seconds=1),
        GroupCommitter(shop.postgres, settings),
        settings,
    )


async def test_racing_shoppers_buy_exactly_all_buckets_and_buy_again_what_comes_back(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=200, buckets=8))
    services = [await start_service(shop) for _ in range(2)]
    shoppers = users_of(
        0, 1, 2, 3, 4, 5, 6, buckets=8, number=300
    )  # nobody lives where the last 25 units lie
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
    monkeypatch.setattr(loans, "judge_need", lambda *_: "gone")
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
    await shop.stock.hincrby(loans.keys.stock(shop.sale_id, SKU, 1), "available", 1)  # type: ignore[misc]
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


async def _half_a_loan(shop: Shop, *, in_ledger: bool) -> BucketName:
    """A process dies between two steps of lending three units of bucket 1 to bucket 0."""
    home = (shop.sale_id, SKU, 0)
    (lent,) = await lending(shop)._lower(home, [Loan(1, 3)])
    assert lent == Lent(1, 3, 1)
    if in_ledger:
        async with shop.postgres.unit_of_work() as session:
            assert await move_units(session, home, [lent], epoch_step=0) == (3, 1)
    return home


@pytest.mark.parametrize("in_ledger", [False, True], ids=["redis lowered", "ledger moved"])
async def test_a_crash_between_two_steps_of_a_loan_loses_no_unit(
    open_shop: OpenShop, start_service: StartService, *, in_ledger: bool
) -> None:
    shop = await open_shop(an_item(total=20, buckets=2))
    home = await _half_a_loan(shop, in_ledger=in_ledger)
    seen = await redis_of(shop, 2)
    for shot, row in zip(seen, await ledger_of(shop), strict=True):
        assert shot.available <= row.total - row.taken
    assert sum(shot.available for shot in seen) == 17
    await shop.repair()
    await assert_whole(shop, 20, 2)
    if in_ledger:
        late = await loans._BORROW.run(shop.stock, [loans.keys.stock(*home)], [3, 1])
        assert late == b"ignored", "the load has counted the units"
    assert (await rush([await start_service(shop)], shop, [f"user{n}" for n in range(30)]))["Reserved"] == 20


async def test_a_late_raise_under_the_epoch_of_the_load_would_offer_units_twice(open_shop: OpenShop) -> None:
    """The control of what the epoch of a loan is for."""
    shop = await open_shop(an_item(total=20, buckets=2))
    home = await _half_a_loan(shop, in_ledger=True)
    await shop.repair()
    assert await loans._BORROW.run(shop.stock, [loans.keys.stock(*home)], [3, 2]) == b"raised"
    assert sum(shot.available for shot in await redis_of(shop, 2)) == 23


async def test_a_lender_that_was_loaded_since_it_was_lowered_lends_nothing(open_shop: OpenShop) -> None:
    """The load has given it the units back; with its control, the same loan under the epoch of the load."""
    shop = await open_shop(an_item(total=20, buckets=2))
    home = await _half_a_loan(shop, in_ledger=False)
    await shop.repair()
    async with shop.postgres.unit_of_work() as session:
        assert await move_units(session, home, [Lent(1, 3, 1)], epoch_step=0) is None
    async with shop.postgres.unit_of_work() as session:
        assert await move_units(session, home, [Lent(1, 3, 2)], epoch_step=0) == (3, 1)
    above = (await redis_of(shop, 2))[1].available - 7
    assert above == 3, "the control: Redis would offer what the ledger has given away"


class Broken:
    """A script whose connection breaks before it is sent."""

    async def run(self, *_: object) -> object:
        raise RedisConnectionError


@pytest.mark.parametrize("step", ["move_units", "_BORROW"])
async def test_a_loan_that_fails_costs_its_wish_a_retry_and_no_unit(
    step: str, open_shop: OpenShop, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise Unavailable("postgres")

    shop = await open_shop(an_item(total=4, buckets=2))
    service = await start_service(shop)
    shoppers = users_of(0, buckets=2, number=6)
    monkeypatch.setattr(loans, step, refuse if step == "move_units" else Broken())
    first = await rush([service], shop, shoppers[:3])
    assert first == ({"Reserved": 2, "Unavailable": 1} if step == "move_units" else {"Reserved": 3})
    monkeypatch.undo()
    await service.stop()
    await shop.repair()
    await assert_whole(shop, 4, 2)
    assert (await rush([await start_service(shop)], shop, shoppers[3:]))["Reserved"] == 4 - first["Reserved"]


async def test_buckets_sell_to_zero_while_redis_is_emptied(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=80, buckets=4))
    services = [await start_service(shop, **UNBOUNDED, batch_max=8) for _ in range(2)]
    shoppers = users_of(0, 1, 2, buckets=4, number=120)
    first, _ = await asyncio.gather(rush(services, shop, shoppers), shop.forget())
    await shop.repair()
    # Who was told to come back does; what is left is for the others.
    again = await rush(services, shop, [*users_of(3, buckets=4, number=120)])
    assert first["Reserved"] + again["Reserved"] == 80
    assert not {*first, *again} - {"Reserved", "SoldOut", "Unavailable"}
    for service in services:
        await service.stop()
    for _ in range(2):
        await shop.repair()
    await assert_whole(shop, 80, 4)


async def test_without_redis_the_ledger_lends_by_itself_to_the_last_unit(
    open_shop: OpenShop, start_service: StartService, redis_settings: RedisSettings
) -> None:
    shop = await open_shop(an_item(total=40, buckets=4))
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    service = await start_service(shop, stock=away, **UNBOUNDED)
    answers = await rush([service], shop, users_of(0, 1, 2, buckets=4, number=60))
    assert answers == {"Reserved": 40, "SoldOut": 20}
    await service.stop()
    await away.aclose()
    assert all(row.epoch > 1 for row in await ledger_of(shop) if row.bucket == 3), "Redis was not lowered"
    await shop.repair()
    await assert_whole(shop, 40, 4)


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
