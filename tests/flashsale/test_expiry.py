"""Expiry of holds: the item whose books are broken waits for people, alone."""

import pytest
from sqlalchemy.exc import IntegrityError

from flashsale.ledger import return_units
from flashsale.upkeep import expire_due
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import SKU, Shop, a_request, an_item


@pytest.fixture
async def miscounted(open_shop: OpenShop, start_service: StartService) -> Shop:
    """Two hold the two phones that there are, and one of them is counted; a third one holds a case."""
    shop = await open_shop(an_item(total=2), an_item("case", total=1))
    service = await start_service(shop)
    for name, sku in (("ada", SKU), ("bob", SKU), ("cy", "case")):
        await service.reserve(a_request(shop.sale_id, name, sku=sku))
    await shop.count_taken(1)
    await shop.overdue()
    return shop


@pytest.mark.breaks("stock_taken_is_sum")
async def test_an_item_whose_books_are_broken_does_not_keep_the_holds_of_others_from_ending(
    miscounted: Shop,
) -> None:
    """Its second unit cannot be returned, and that alone must wait for people."""
    async with miscounted.postgres.unit_of_work() as session:
        await expire_due(session, miscounted.stock, batch_max=100)
    assert (await miscounted.taken("case"), await miscounted.units("case")) == (0, 0)
    assert (await miscounted.taken(), await miscounted.units()) == (0, 1)


@pytest.mark.breaks("stock_taken_is_sum")
async def test_a_unit_that_no_counter_has_taken_fails_whoever_returns_it(miscounted: Shop) -> None:
    """The control: what would have failed the batch."""
    with pytest.raises(IntegrityError):
        async with miscounted.postgres.unit_of_work() as session:
            await return_units(session, [((miscounted.sale_id, SKU, 0), 2)])
