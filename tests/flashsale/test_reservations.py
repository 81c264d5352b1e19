"""From an admitted request to a durable acknowledgement, on real servers."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from flashsale.errors import (
    HoldEnded,
    InProgress,
    ItemUnknown,
    KeyReused,
    LimitReached,
    QuantityInvalid,
    ReservationUnknown,
    SaleNotOpen,
    SaleOver,
    SaleUnknown,
    SoldOut,
)
from flashsale.facts import Reserved
from flashsale.reservations import get_reservation, list_reservations
from kit.errors import InvalidInput, Unavailable
from kit.idempotency import KeyMissing
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import SKU, a_request, an_item


async def test_an_acknowledged_reservation_can_be_read_by_its_owner(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(price_minor=1999, per_user_limit=3))
    service = await start_service(shop)
    reserved = await service.reserve(a_request(shop.sale_id, "ada", quantity=2))
    async with shop.postgres.read() as session:
        stored = await get_reservation(session, reserved.reservation.reservation_id, "ada")
        assert await list_reservations(session, "ada", limit=1) == [stored]
        with pytest.raises(ReservationUnknown):
            await get_reservation(session, stored.reservation_id, "eve")
    assert stored == reserved.reservation
    assert (stored.state, stored.amount_minor, stored.currency) == ("held", 3998, "CNY")
    assert stored.expires_at - stored.held_at == timedelta(seconds=60)
    assert not reserved.replayed


async def test_of_many_buyers_exactly_one_gets_the_last_unit(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=1))
    services = [await start_service(shop) for _ in range(3)]
    answers = await asyncio.gather(
        *(services[n % 3].reserve(a_request(shop.sale_id, f"user{n}")) for n in range(90)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 1
    assert sum(isinstance(answer, SoldOut) for answer in answers) == 89
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_the_stock_sells_to_its_last_unit_and_no_further(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=40))
    services = [await start_service(shop, batch_max=16) for _ in range(2)]
    answers = await asyncio.gather(
        *(services[n % 2].reserve(a_request(shop.sale_id, f"user{n}")) for n in range(200)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 40
    assert (await shop.taken(), await shop.units(), await shop.available()) == (40, 40, 0)


async def test_a_repeated_request_gets_the_stored_answer(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=5, per_user_limit=5))
    service = await start_service(shop)
    first = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    again = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    assert again == Reserved(first.reservation, replayed=True)
    assert await shop.taken() == 1
    await service.stop()
    assert (await shop.available(), await shop.pending()) == (4, 0)


async def test_a_repeat_is_answered_although_everything_is_sold_or_the_hold_has_ended(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    first = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    assert (await service.reserve(a_request(shop.sale_id, "ada", key="k1"))).replayed
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, first.reservation.reservation_id, "ada")
    await service.reserve(a_request(shop.sale_id, "bob"))
    again = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    assert (again.replayed, again.reservation.state) == (True, "released")


async def test_a_key_with_another_request_is_refused(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(per_user_limit=5))
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    with pytest.raises(KeyReused):
        await service.reserve(a_request(shop.sale_id, "ada", key="k1", quantity=2))
    assert await shop.taken() == 1


async def test_a_key_for_two_items_at_once_holds_only_one(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(), an_item("case"))
    services = [await start_service(shop) for _ in range(2)]
    answers = await asyncio.gather(
        services[0].reserve(a_request(shop.sale_id, "ada", key="k1")),
        services[1].reserve(a_request(shop.sale_id, "ada", key="k1", sku="case")),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["KeyReused", "Reserved"]
    assert await shop.taken() + await shop.taken("case") == 1


async def test_a_double_click_is_told_that_it_is_in_progress(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop()
    service = await start_service(shop)
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, "ada", key="k1")) for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Reserved, InProgress, InProgress]


async def test_double_clicks_that_meet_different_processes_hold_once(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(per_user_limit=5))
    services = [await start_service(shop) for _ in range(4)]
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, "ada", key="k1")) for service in services),
        return_exceptions=True,
    )
    reserved = {a.reservation.reservation_id for a in answers if isinstance(a, Reserved)}
    assert len(reserved) == 1
    assert all(isinstance(answer, Reserved | InProgress) for answer in answers)
    assert await shop.taken() == 1


async def test_nobody_gets_more_than_the_limit_across_processes(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=50, per_user_limit=2))
    services = [await start_service(shop) for _ in range(3)]
    answers = await asyncio.gather(
        *(services[n % 3].reserve(a_request(shop.sale_id, "ada")) for n in range(30)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 2
    assert sum(isinstance(answer, LimitReached) for answer in answers) == 28
    assert await shop.units() == 2


async def test_units_that_are_released_can_be_bought_by_somebody_else(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    held = await service.reserve(a_request(shop.sale_id, "ada"))
    with pytest.raises(SoldOut):
        await service.reserve(a_request(shop.sale_id, "bob"))
    for _ in range(2):  # again, it says the same
        async with shop.postgres.unit_of_work() as session:
            released = await service.release(session, held.reservation.reservation_id, "ada")
        assert (released.state, released.end_reason) == ("released", "by_user")
    assert await shop.available() == 1
    assert not (await service.reserve(a_request(shop.sale_id, "bob"))).replayed
    async with shop.postgres.unit_of_work() as session:
        with pytest.raises(ReservationUnknown):
            await service.release(session, held.reservation.reservation_id, "bob")


async def test_a_hold_that_has_expired_cannot_be_released(
    open_shop: OpenShop, start_service: StartService
) -> None:
    from flashsale.upkeep import expire_due

    shop = await open_shop()
    service = await start_service(shop)
    held = await service.reserve(a_request(shop.sale_id, "ada"))
    await shop.overdue(held.reservation.reservation_id)
    async with shop.postgres.unit_of_work() as session:
        await expire_due(session, shop.stock, batch_max=10)
    async with shop.postgres.unit_of_work() as session:
        with pytest.raises(HoldEnded):
            await service.release(session, held.reservation.reservation_id, "ada")


@pytest.mark.parametrize("quantity", [0, -1, 10**30, float("nan"), 1.5, True, "1", None])
async def test_a_quantity_that_is_none_is_refused(
    quantity: object, open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop()
    service = await start_service(shop)
    with pytest.raises(QuantityInvalid):
        await service.reserve(a_request(shop.sale_id, "ada", quantity=quantity))


async def test_what_cannot_be_meant_or_stored_is_refused_before_it_joins_a_batch(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop()
    service = await start_service(shop)
    with pytest.raises(SaleUnknown):
        await service.reserve(a_request("sale-unknown", "ada"))
    with pytest.raises(ItemUnknown):
        await service.reserve(a_request(shop.sale_id, "ada", sku="tea\x00"))
    with pytest.raises(KeyMissing):
        await service.reserve(a_request(shop.sale_id, "ada", key="a b"))
    with pytest.raises(InvalidInput):
        await service.reserve(a_request(shop.sale_id, "a\x00da"))
    with pytest.raises(InvalidInput):
        await service.reserve(a_request(shop.sale_id, "ada", phone="138\x00"))
    with pytest.raises(LimitReached):
        await service.reserve(a_request(shop.sale_id, "ada", quantity=2))
    assert (await shop.taken(), await shop.pending()) == (0, 0)


async def test_outside_its_window_a_sale_sells_nothing(
    open_shop: OpenShop, start_service: StartService
) -> None:
    now = datetime.now(UTC)
    shop = await open_shop(opens_at=now + timedelta(minutes=1))
    service = await start_service(shop)
    with pytest.raises(SaleNotOpen):
        await service.reserve(a_request(shop.sale_id, "ada"))
    over = await open_shop(opens_at=now - timedelta(minutes=2), closes_at=now - timedelta(minutes=1))
    with pytest.raises(SaleOver):
        await (await start_service(over)).reserve(a_request(shop.sale_id, "ada"))


async def test_beyond_the_queue_a_request_is_turned_away_at_once(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=100))
    service = await start_service(shop, queue_max=10, batch_max=5, lanes=1)
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, f"user{n}")) for n in range(30)), return_exceptions=True
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 10
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 20
    assert await shop.units() == 10


async def test_stopping_answers_everything_that_is_in_flight(open_shop: OpenShop) -> None:
    shop = await open_shop(an_item(total=100))
    service = shop.service(batch_max=10)
    await service.start()
    asked = [asyncio.create_task(service.reserve(a_request(shop.sale_id, f"user{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await service.stop()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Reserved) for answer in answers)
    assert (await shop.pending(), await shop.available()) == (0, 50)
    with pytest.raises(Unavailable):
        await service.reserve(a_request(shop.sale_id, "late"))


async def test_who_left_before_the_batch_began_holds_nothing(open_shop: OpenShop) -> None:
    shop = await open_shop()
    service = shop.service()
    await service.start()
    asked = asyncio.create_task(service.reserve(a_request(shop.sale_id, "ada")))
    await asyncio.sleep(0)
    asked.cancel()
    await service.reserve(a_request(shop.sale_id, "bob"))
    await service.stop()
    assert await shop.units() == 1


async def test_an_unknown_reservation_is_unknown(open_shop: OpenShop) -> None:
    shop = await open_shop()
    async with shop.postgres.read() as session:
        with pytest.raises(ReservationUnknown):
            await get_reservation(session, uuid4(), None)
    assert SKU in {item.sku for item in shop.plan.items}
