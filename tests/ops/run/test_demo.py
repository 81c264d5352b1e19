"""The demo's sale is the file's, smaller and about to open."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flashsale.sales import ItemPlan
from ops.planning.salefile import parse
from ops.run.demo import CROWD_HOLD_SECONDS, demo_sale, share_units

OPENS = datetime(2026, 11, 11, tzinfo=UTC)


def _item(sku: str, total: int) -> ItemPlan:
    return ItemPlan(sku=sku, price_minor=100, total=total, per_user_limit=1, texts={})


def test_units_are_shared_in_proportion_and_add_up() -> None:
    shared = share_units([_item("a", 200), _item("b", 100), _item("c", 1)], 50)
    assert [item.total for item in shared] == [33, 16, 1]
    assert sum(item.total for item in share_units([_item("a", 7), _item("b", 7)], 5)) == 5


def test_the_example_becomes_a_sale_of_its_own_that_opens_soon() -> None:
    example = parse(Path("examples/double11.yaml").read_text(encoding="utf-8"))
    demo = demo_sale(
        example, sale_id="demo-1", units=300, opens_at=OPENS, with_crowd=True, rate_per_second_max=60
    )
    assert demo.sale.sale_id == demo.room.sale_id == "demo-1"
    assert sum(item.total for item in demo.sale.items) == 300
    assert demo.sale.opens_at == demo.room.opens_at == OPENS
    assert demo.sale.closes_at == demo.room.closes_at > OPENS + timedelta(minutes=5)
    assert demo.sale.hold_seconds == CROWD_HOLD_SECONDS
    assert demo.room.rate_per_second == 60
    assert demo.sale.shown_rules["rate_per_second"] == demo.room.rate_per_second
    assert demo.rewards == example.rewards
