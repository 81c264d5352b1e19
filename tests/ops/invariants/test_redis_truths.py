"""Redis judged against the ledger, on the real stores: right after a load it holds, and a raised view is seen."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from sqlalchemy import text

from flashsale import keys as stock_keys
from flashsale.sales import ItemPlan, SalePlan, apply_sale
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair
from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.invariants import judge
from ops.invariants.idle import IDLE_TRUTH
from ops.invariants.queue import QUEUE_TRUTH
from ops.invariants.rows import Row
from ops.invariants.stock import STOCK_TRUTH
from queueing import keys as queue_keys
from queueing.rooms import RoomPlan, open_room
from queueing.upkeep import load_rooms


@pytest.fixture
async def loaded_sale(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> str:
    """A sale of ten mugs whose stock and waiting room have been loaded into Redis."""
    now = datetime.now(UTC)
    window = (now - timedelta(minutes=1), now + timedelta(hours=1))
    async with postgres.unit_of_work() as session:
        texts = {tag: {"title": "Mug"} for tag in ("zh-CN", "en")}
        plan = SalePlan(
            sale_id=sale_id,
            campaign_id="c",
            opens_at=window[0],
            closes_at=window[1],
            hold_seconds=30,
            currency="CNY",
            texts=texts,
            shown_rules={},
            items=(ItemPlan("mug", 990, 10, 2, texts),),
        )
        await apply_sale(session, plan)
        await open_room(session, RoomPlan(sale_id, *window, rate_per_second=10))
    await StockRepair(postgres, redis_roles.stock, FlashsaleSettings()).run_once()
    await load_rooms(postgres, redis_roles.queue)
    return sale_id


async def judged(postgres: Postgres, roles: RedisRoles, sale_id: str, *, looks: int = 1) -> dict[str, Row]:
    rows = await judge(postgres, roles.stock, roles.queue, sale_id=sale_id, looks=looks)
    return {row.id: row for row in rows}


async def test_a_loaded_stock_holds(postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str) -> None:
    rows = await judged(postgres, redis_roles, loaded_sale)
    assert rows[STOCK_TRUTH[0]].holds
    assert rows[IDLE_TRUTH[0]].holds
    assert rows[QUEUE_TRUTH[0]].holds


async def test_one_unit_too_many_in_redis_is_seen(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str
) -> None:
    await redis_roles.stock.hincrby(stock_keys.stock(loaded_sale, "mug", 0), "available", 1)  # type: ignore[misc]
    assert not (await judged(postgres, redis_roles, loaded_sale))[STOCK_TRUTH[0]].holds


async def test_an_uncommitted_claim_counts_as_redis_own(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str
) -> None:
    stock, pending = stock_keys.stock(loaded_sale, "mug", 0), stock_keys.pending(loaded_sale, "mug", 0)
    await redis_roles.stock.hset(pending, "op-1", f"{uuid4()} somebody 1 0")  # type: ignore[misc]
    assert not (await judged(postgres, redis_roles, loaded_sale))[STOCK_TRUTH[0]].holds
    await redis_roles.stock.hincrby(stock, "available", -1)  # type: ignore[misc]
    assert (await judged(postgres, redis_roles, loaded_sale))[STOCK_TRUTH[0]].holds


async def test_a_view_of_another_epoch_is_fenced_and_no_violation(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str
) -> None:
    await redis_roles.stock.hincrby(stock_keys.stock(loaded_sale, "mug", 0), "available", 5)  # type: ignore[misc]
    async with postgres.unit_of_work() as session:
        await session.execute(
            text("UPDATE flashsale.buckets SET epoch = epoch + 1 WHERE sale_id = :sale"),
            {"sale": loaded_sale},
        )
    assert (await judged(postgres, redis_roles, loaded_sale))[STOCK_TRUTH[0]].holds


async def test_a_difference_that_does_not_last_is_no_violation(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = stock_keys.stock(loaded_sale, "mug", 0)
    await redis_roles.stock.hincrby(stock, "available", 1)  # type: ignore[misc]

    async def repair(_: float) -> None:
        await redis_roles.stock.hincrby(stock, "available", -1)  # type: ignore[misc]

    # The package exports a function of the module's name, so the module is asked for by path.
    monkeypatch.setattr(import_module("ops.invariants.judge").asyncio, "sleep", repair)
    assert (await judged(postgres, redis_roles, loaded_sale, looks=2))[STOCK_TRUTH[0]].holds


async def test_a_unit_that_is_free_and_not_on_offer_is_seen(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str
) -> None:
    stock, pending = stock_keys.stock(loaded_sale, "mug", 0), stock_keys.pending(loaded_sale, "mug", 0)
    await redis_roles.stock.hincrby(stock, "available", -1)  # type: ignore[misc]
    assert not (await judged(postgres, redis_roles, loaded_sale, looks=2))[IDLE_TRUTH[0]].holds
    # Claimed and on its way to a commit, it is not idle.
    await redis_roles.stock.hset(pending, "op-1", f"{uuid4()} somebody 1 0")  # type: ignore[misc]
    assert (await judged(postgres, redis_roles, loaded_sale))[IDLE_TRUTH[0]].holds


async def test_a_sale_whose_difference_moves_is_selling_and_nothing_is_idle(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sell(_: float = 0) -> None:
        await redis_roles.stock.hincrby(stock_keys.stock(loaded_sale, "mug", 0), "available", -1)  # type: ignore[misc]

    await sell()
    monkeypatch.setattr(import_module("ops.invariants.judge").asyncio, "sleep", sell)
    assert (await judged(postgres, redis_roles, loaded_sale, looks=2))[IDLE_TRUTH[0]].holds


@pytest.mark.parametrize("field", ["mark", "next"])
async def test_a_room_that_numbers_beyond_its_durable_mark_is_seen(
    postgres: Postgres, redis_roles: RedisRoles, loaded_sale: str, field: str
) -> None:
    await redis_roles.queue.hincrby(queue_keys.room(loaded_sale), field, 10_000_000)  # type: ignore[misc]
    assert not (await judged(postgres, redis_roles, loaded_sale))[QUEUE_TRUTH[0]].holds
