"""Family B, selling less than there is: units and shoppers that others lose, each shown not to be lost here."""

import asyncio
from collections import Counter

import pytest

from flashsale import keys
from flashsale.errors import InProgress, LimitReached, SoldOut
from flashsale.facts import Reserved
from flashsale.stock import StockClaims
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import SKU, a_request, a_wish, an_item


async def test_a_hundred_clicks_on_one_button_cost_one_unit(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 10: a counter that goes down before anybody asks whether this is a repeat."""
    shop = await open_shop(an_item(total=50))
    services = [await start_service(shop) for _ in range(2)]
    answers = await asyncio.gather(
        *(services[n % 2].reserve(a_request(shop.sale_id, "ada", key="k1")) for n in range(100)),
        return_exceptions=True,
    )
    kinds = Counter(type(answer) for answer in answers)
    assert kinds[Reserved] + kinds[InProgress] == 100
    for service in services:
        await service.stop()
    assert (await shop.taken(), await shop.available(), await shop.pending()) == (1, 49, 0)


async def test_a_hundred_refused_clicks_cost_nothing_and_nothing_is_below_zero(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 10: refusals that take a unit all the same, until the counter is below zero and all looks sold."""
    shop = await open_shop(an_item(total=2))
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada"))
    again = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, "ada")) for _ in range(100)), return_exceptions=True
    )
    assert {type(answer) for answer in again} == {LimitReached}
    bob = await service.reserve(a_request(shop.sale_id, "bob"))
    late = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, f"late{n}")) for n in range(100)), return_exceptions=True
    )
    assert {type(answer) for answer in late} == {SoldOut}
    assert await shop.available() == 0
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, bob.reservation.reservation_id, "bob")
    assert not (await service.reserve(a_request(shop.sale_id, "cy"))).replayed


async def test_whose_claim_died_with_its_process_may_buy_again(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 12: written down as a buyer, and never given an order."""
    shop = await open_shop(an_item(total=5))
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    assert await claims.claim([a_wish(shop.sale_id, "ada")]) == ["claimed"]
    # The control: until somebody looks after the dead, she is taken for a buyer.
    assert await claims.claim([a_wish(shop.sale_id, "ada")]) == ["limit_reached"]
    await shop.repair()
    service = await start_service(shop)
    assert not (await service.reserve(a_request(shop.sale_id, "ada"))).replayed
    await service.stop()
    assert (await shop.taken(), await shop.available(), await shop.pending()) == (1, 4, 0)


async def test_whose_order_could_not_be_written_may_buy_again_at_once(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 12: without waiting for a repair, for the process lives and knows that nothing was written."""
    shop = await open_shop(an_item(total=5))
    here, shop.postgres = (
        shop.postgres,
        Postgres(PostgresSettings(database_url="postgresql://me@127.0.0.1:1/no")),
    )
    failing = await start_service(shop)
    (answer,) = await asyncio.gather(failing.reserve(a_request(shop.sale_id, "ada")), return_exceptions=True)
    assert not isinstance(answer, Reserved)
    await failing.stop()
    await shop.postgres.close()
    shop.postgres = here
    service = await start_service(shop)
    assert not (await service.reserve(a_request(shop.sale_id, "ada"))).replayed


async def test_a_lost_list_of_buyers_costs_neither_units_nor_the_neighbours(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 13: after a restart nobody is known as a buyer, and the second order of one goes round for ever."""
    shop = await open_shop(an_item(total=20))
    service = await start_service(shop, lanes=1)
    for name in ("ada", "bob"):
        await service.reserve(a_request(shop.sale_id, name))
    await shop.stock.delete(keys.buyers(shop.sale_id, SKU, 0))
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, name)) for name in ("ada", "cy", "bob", "dan")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [LimitReached, Reserved, LimitReached, Reserved]
    await service.stop()
    assert (await shop.taken(), await shop.available(), await shop.pending()) == (4, 16, 0)


async def test_a_crash_after_the_claims_of_a_whole_batch_leaves_every_unit_to_sell(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 11: gone in Redis and in no order."""
    shop = await open_shop(an_item(total=8))
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    await claims.claim([a_wish(shop.sale_id, f"dead{n}") for n in range(8)])
    service = await start_service(shop)
    # The control: until somebody looks after the dead, all is gone and nothing is sold.
    with pytest.raises(SoldOut):
        await service.reserve(a_request(shop.sale_id, "ada"))
    await shop.repair()
    await asyncio.gather(*(service.reserve(a_request(shop.sale_id, f"user{n}")) for n in range(8)))
    assert (await shop.taken(), await shop.units()) == (8, 8)
