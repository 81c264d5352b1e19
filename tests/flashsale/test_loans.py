"""What is lost in the middle of a loan: no unit, at whatever step, with Redis emptied, restarted late or away."""

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from flashsale import borrowing, keys, loans
from flashsale.borrowing import Borrowing
from flashsale.committer import GroupCommitter
from flashsale.lending import Loan
from flashsale.loans import Lent, move_units
from flashsale.rules import BucketName
from flashsale.settings import FlashsaleSettings
from flashsale.stock import StockClaims
from kit.errors import Unavailable
from kit.redis import connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import SKU, Shop, an_item
from tests.flashsale.splitting import assert_whole, ledger_of, redis_of, rush, users_of

UNBOUNDED = {"ledger_only_per_second": 10_000.0}


def lending(shop: Shop) -> Borrowing:
    settings = FlashsaleSettings()
    return Borrowing(
        shop.postgres,
        shop.stock,
        StockClaims(shop.stock, shop.book, rest_seconds=1),
        GroupCommitter(shop.postgres, settings),
        settings,
    )


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
        late = await borrowing._BORROW.run(shop.stock, [keys.stock(*home)], [3, 1])
        assert late == b"ignored", "the load has counted the units"
    assert (await rush([await start_service(shop)], shop, [f"user{n}" for n in range(30)]))["Reserved"] == 20


async def test_a_late_raise_under_the_epoch_of_the_load_would_offer_units_twice(open_shop: OpenShop) -> None:
    """The control of what the epoch of a loan is for."""
    shop = await open_shop(an_item(total=20, buckets=2))
    home = await _half_a_loan(shop, in_ledger=True)
    await shop.repair()
    assert await borrowing._BORROW.run(shop.stock, [keys.stock(*home)], [3, 2]) == b"raised"
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
    if step == "move_units":
        for module in (borrowing, loans):
            monkeypatch.setattr(module, step, refuse)
    else:
        monkeypatch.setattr(borrowing, step, Broken())
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
