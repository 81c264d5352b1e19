"""Sales applied from plans: what may change when, and what is refused."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from flashsale.errors import SaleAlreadyOpen, SaleUnknown, StockBelowTaken
from flashsale.facts import Reserved
from flashsale.models import Bucket
from flashsale.sales import SaleBook, SaleFacts, SalePlan, apply_sale, get_sale, list_sales
from kit.errors import InvalidInput, Unavailable
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import a_plan, a_request, an_item


async def apply(postgres: Postgres, plan: SalePlan) -> SaleFacts:
    async with postgres.unit_of_work() as session:
        return await apply_sale(session, plan)


def later(sale_id: str, *items: object, **changes: object) -> SalePlan:
    opens_at = datetime.now(UTC) + timedelta(hours=1)
    return a_plan(sale_id, *items, opens_at=opens_at, closes_at=opens_at + timedelta(hours=1), **changes)


async def test_applying_the_same_plan_again_changes_nothing(postgres: Postgres, sale_id: str) -> None:
    plan = a_plan(sale_id, an_item(), an_item("case"))
    first = await apply(postgres, plan)
    assert first.revision == 1
    assert await apply(postgres, plan) == first
    async with postgres.read() as session:
        assert await get_sale(session, sale_id) == first
        assert first in await list_sales(session)


async def test_many_first_applications_at_once_make_one_sale(postgres: Postgres, sale_id: str) -> None:
    plan = a_plan(sale_id)
    facts = await asyncio.gather(*(apply(postgres, plan) for _ in range(6)))
    assert {each.revision for each in facts} == {1}


async def test_before_it_opens_everything_about_a_sale_may_change(postgres: Postgres, sale_id: str) -> None:
    await apply(postgres, later(sale_id, an_item(), an_item("case")))
    changed = await apply(postgres, later(sale_id, an_item("tea", price_minor=5), currency="EUR"))
    assert (changed.revision, changed.currency, [item.sku for item in changed.items]) == (2, "EUR", ["tea"])


@pytest.mark.parametrize(
    ("changes", "item_changes", "named"),
    [
        ({"currency": "EUR"}, {}, "currency"),
        ({"closes_at": datetime.now(UTC) + timedelta(days=2)}, {}, "closes_at"),
        ({}, {"price_minor": 1}, "items.phone.price_minor"),
        ({}, {"per_user_limit": 9}, "items.phone.per_user_limit"),
        ({}, {"buckets": 2}, "items.phone.buckets"),
        ({}, {"sku": "tea"}, "items"),
    ],
)
async def test_once_it_is_open_no_promise_may_be_changed(
    changes: dict[str, object],
    item_changes: dict[str, object],
    named: str,
    postgres: Postgres,
    sale_id: str,
) -> None:
    plan = a_plan(sale_id)
    before = await apply(postgres, plan)
    with pytest.raises(SaleAlreadyOpen) as refused:
        await apply(postgres, replace(plan, items=(an_item(**item_changes),), **changes))
    assert refused.value.facts["changes"] == [named]
    async with postgres.read() as session:
        assert await get_sale(session, sale_id) == before


async def test_stock_may_be_raised_and_lowered_in_mid_sale_but_not_below_what_is_taken(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=2))
    service = await start_service(shop)
    for user in ("ada", "bob"):
        await service.reserve(a_request(shop.sale_id, user))
    with pytest.raises(StockBelowTaken) as refused:
        await apply(shop.postgres, replace(shop.plan, items=(an_item(total=1),)))
    assert (refused.value.facts["total"], refused.value.facts["taken"]) == (1, 2)
    await apply(shop.postgres, replace(shop.plan, items=(an_item(total=5),)))
    await shop.repair()
    assert await shop.available() == 3
    answers = await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, f"user{n}")) for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 3
    assert await shop.taken() == 5


async def test_stock_is_spread_over_its_buckets_and_spread_anew_before_the_sale_opens(
    postgres: Postgres, sale_id: str
) -> None:
    async def totals() -> list[tuple[int, int]]:
        async with postgres.read() as session:
            row = Bucket
            found = await session.execute(
                select(row.total, row.epoch).where(row.sale_id == sale_id).order_by(row.bucket)
            )
            return [(total, epoch) for total, epoch in found]

    await apply(postgres, later(sale_id, an_item(total=10, buckets=4)))
    assert await totals() == [(3, 0), (3, 0), (2, 0), (2, 0)]
    await apply(postgres, later(sale_id, an_item(total=10, buckets=4, price_minor=5)))
    assert {epoch for _, epoch in await totals()} == {0}, "nothing to load anew"
    await apply(postgres, later(sale_id, an_item(total=11, buckets=4)))
    assert await totals() == [(3, 1), (3, 1), (3, 1), (2, 1)]
    await apply(postgres, later(sale_id, an_item(total=11, buckets=2)))
    assert await totals() == [(6, 2), (5, 2)]


async def test_more_units_in_mid_sale_go_evenly_to_all_buckets_whatever_is_taken_of_each(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=6, buckets=3))
    service = await start_service(shop)
    for n in range(4):
        await service.reserve(a_request(shop.sale_id, f"user{n}"))
    with pytest.raises(StockBelowTaken):
        await apply(shop.postgres, replace(shop.plan, items=(an_item(total=3, buckets=3),)))
    await apply(shop.postgres, replace(shop.plan, items=(an_item(total=10, buckets=3),)))
    async with shop.postgres.read() as session:
        free = await session.scalars(
            select(Bucket.total - Bucket.taken).where(Bucket.sale_id == shop.sale_id)
        )
        assert sorted(free) == [2, 2, 2]


@pytest.mark.parametrize(
    "plan",
    [
        a_plan("x", closes_at=datetime(2020, 1, 1, tzinfo=UTC)),
        a_plan("x", hold_seconds=1),
        a_plan("x", an_item(), an_item()),
        a_plan("x", an_item(total=-1)),
        a_plan("x", an_item(price_minor=-1)),
        a_plan("x", an_item(per_user_limit=0)),
        a_plan("x", an_item(buckets=0)),
        a_plan("x", an_item(buckets=65)),
    ],
)
async def test_a_plan_no_sale_could_follow_is_refused(plan: SalePlan, postgres: Postgres) -> None:
    with pytest.raises(InvalidInput):
        await apply(postgres, plan)


async def test_the_book_knows_what_it_read_and_asks_nobody_for_the_rest(
    postgres: Postgres, sale_id: str
) -> None:
    book = SaleBook()
    facts = await apply(postgres, a_plan(sale_id))
    with pytest.raises(SaleUnknown):
        book.get(sale_id)
    await book.refresh(postgres)
    assert book.get(sale_id) == facts
    assert facts in book.all()
    away = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Unavailable):
        await book.refresh(away)
    await away.close()
    assert book.get(sale_id) == facts


async def test_an_unknown_sale_is_unknown(postgres: Postgres) -> None:
    async with postgres.read() as session:
        with pytest.raises(SaleUnknown):
            await get_sale(session, "no-such-sale")
