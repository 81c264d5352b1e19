"""Sold-out marks: they refuse without asking, never somebody who has bought, and not for longer than Redis says so."""

import pytest

from flashsale import marks
from flashsale.errors import SoldOut
from flashsale.facts import Reserved
from kit.redis import connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import SKU, a_request, an_item


async def test_what_is_gone_is_refused_without_asking(
    open_shop: OpenShop, start_service: StartService, redis_settings: RedisSettings
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada"))
    assert not service.marks.refuses(shop.sale_id, SKU, "bob"), "nobody has looked yet"
    await service.marks.refresh()
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    service._claims._stock = away  # so an answer can only come from memory
    with pytest.raises(SoldOut):
        await service.reserve(a_request(shop.sale_id, "bob"))
    await away.aclose()


async def test_a_buyers_repeat_gets_its_answer_although_everything_is_gone(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=2))
    services = [await start_service(shop) for _ in range(2)]
    first = await services[0].reserve(a_request(shop.sale_id, "ada", key="k1"))
    await services[0].reserve(a_request(shop.sale_id, "bob"))
    for service in services:
        await service.marks.refresh()
        assert service.marks.refuses(shop.sale_id, SKU, "eve")
        again = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
        assert again == Reserved(first.reservation, replayed=True)


async def test_a_unit_that_comes_back_takes_the_mark_away(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    held = await service.reserve(a_request(shop.sale_id, "ada"))
    await service.marks.refresh()
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, held.reservation.reservation_id, "ada")
    await service.marks.refresh()
    assert isinstance(await service.reserve(a_request(shop.sale_id, "bob")), Reserved)
    await service.marks.refresh()
    assert service.marks.refuses(shop.sale_id, SKU, "eve")
    assert not service.marks.refuses(shop.sale_id, SKU, "bob"), "who bought since is known too"


async def test_a_mark_runs_out_when_redis_says_nothing(
    open_shop: OpenShop,
    start_service: StartService,
    monkeypatch: pytest.MonkeyPatch,
    redis_settings: RedisSettings,
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada"))
    monkeypatch.setattr(marks, "TRUST_SECONDS", 0.0)
    await service.marks.refresh()
    assert not service.marks.refuses(shop.sale_id, SKU, "bob")
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    service.marks._stock = away
    await service.marks.refresh()  # and does not raise
    await away.aclose()


async def test_an_item_that_redis_has_forgotten_or_with_too_many_buyers_has_no_mark(
    open_shop: OpenShop, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada"))
    monkeypatch.setattr(marks, "BUYERS_MAX", 0)
    await service.marks.refresh()
    assert not service.marks.refuses(shop.sale_id, SKU, "bob")
    monkeypatch.undo()
    await shop.forget()
    await service.marks.refresh()
    assert not service.marks.refuses(shop.sale_id, SKU, "bob")
