"""Family D, repeats: what others remember wrongly or not at all, each shown not to be so here."""

import asyncio

import pytest

from flashsale.errors import InProgress, SoldOut
from flashsale.facts import Reserved
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import a_request, an_item


async def test_a_passing_failure_is_not_remembered_under_the_key(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 18: an error of a second that is answered for five minutes."""
    shop = await open_shop(an_item(total=1))
    here, shop.postgres = (
        shop.postgres,
        Postgres(PostgresSettings(database_url="postgresql://me@127.0.0.1:1/no")),
    )
    failing = await start_service(shop)
    with pytest.raises(Unavailable):
        await failing.reserve(a_request(shop.sale_id, "ada", key="k1"))
    await failing.stop()
    await shop.postgres.close()
    shop.postgres = here
    service = await start_service(shop)
    first = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    again = await service.reserve(a_request(shop.sale_id, "ada", key="k1"))
    assert (first.replayed, again) == (False, Reserved(first.reservation, replayed=True))


async def test_a_refusal_is_not_remembered_either(open_shop: OpenShop, start_service: StartService) -> None:
    """Number 18: sold out now is not sold out for ever."""
    shop = await open_shop(an_item(total=1))
    service = await start_service(shop)
    held = await service.reserve(a_request(shop.sale_id, "ada"))
    with pytest.raises(SoldOut):
        await service.reserve(a_request(shop.sale_id, "bob", key="k1"))
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, held.reservation.reservation_id, "ada")
    assert not (await service.reserve(a_request(shop.sale_id, "bob", key="k1"))).replayed


async def test_equal_wishes_of_different_shoppers_or_keys_are_different_orders(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 18: a key made of the body is the same for every order of the same thing."""
    shop = await open_shop(an_item(total=10, per_user_limit=2))
    service = await start_service(shop)
    wanted = [("ada", "k1"), ("ada", "k2"), ("bob", "k1"), ("bob", "k2")]
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, user, key=key)) for user, key in wanted)
    )
    assert len({answer.reservation.reservation_id for answer in answers}) == 4
    assert not any(answer.replayed for answer in answers)


async def test_who_repeats_while_the_last_unit_is_being_given_to_them_is_not_told_sold_out(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 18: a repeat in flight, told apart from a refusal, in the same process and in another."""
    shop = await open_shop(an_item(total=1))
    services = [await start_service(shop) for _ in range(3)]
    answers = await asyncio.gather(
        *(services[n % 3].reserve(a_request(shop.sale_id, "ada", key="k1")) for n in range(9)),
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} <= {Reserved, InProgress}
    ids = {answer.reservation.reservation_id for answer in answers if isinstance(answer, Reserved)}
    assert len(ids) == 1
