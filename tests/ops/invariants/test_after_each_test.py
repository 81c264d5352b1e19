"""The judge after each test sees what a test broke and did not say, and a control that broke nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from flashsale.sales import ItemPlan, SalePlan, apply_sale
from kit.postgres import Postgres
from ops.invariants.truths import TRUTHS
from tests.judged import AFTER_EACH_TEST, judge_after

TEXTS = {tag: {"title": "Mug"} for tag in ("zh-CN", "en")}


@pytest.fixture
async def sale(postgres: Postgres, sale_id: str) -> str:
    """One mug on sale."""
    now = datetime.now(UTC)
    window = {"opens_at": now, "closes_at": now + timedelta(hours=1)}
    plan = SalePlan(
        sale_id=sale_id, campaign_id="c", hold_seconds=30, currency="CNY", texts=TEXTS, shown_rules={},
        items=(ItemPlan("mug", 990, 1, 1, TEXTS),), **window,
    )  # fmt: skip
    async with postgres.unit_of_work() as session:
        await apply_sale(session, plan)
    return sale_id


async def set_taken(postgres: Postgres, sale_id: str, units: int) -> None:
    async with postgres.unit_of_work() as session:
        change = text("UPDATE flashsale.buckets SET taken = :units WHERE sale_id = :sale_id")
        await session.execute(change, {"units": units, "sale_id": sale_id})


async def test_what_a_test_breaks_without_saying_so_fails_it(
    postgres: Postgres, sale: str, request: pytest.FixtureRequest
) -> None:
    await judge_after(request.node, postgres, sale)
    await set_taken(postgres, sale, 1)
    with pytest.raises(AssertionError, match="stock_taken_is_sum"):
        await judge_after(request.node, postgres, sale)
    await set_taken(postgres, sale, 0)


@pytest.mark.breaks("stock_taken_is_sum")
async def test_a_control_that_breaks_nothing_fails(
    postgres: Postgres, sale: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(AssertionError, match="meant and not broken"):
        await judge_after(request.node, postgres, sale)
    await set_taken(postgres, sale, 1)


def test_what_is_judged_needs_no_other_evidence() -> None:
    assert set(AFTER_EACH_TEST) <= {truth.truth_id for truth in TRUTHS if not truth.needs}
