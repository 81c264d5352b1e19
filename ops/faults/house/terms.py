"""The sale of a trial: one hot item, points for every buyer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flashsale.sales import ItemPlan, SalePlan
from kit.clock import SystemClock
from kit.postgres import Postgres
from ops.planning.salefile import SaleFile, apply
from queueing.rooms import RoomPlan
from rewards.grants import RulePlan

SKU: Final = "phone-x"
PRICE_MINOR: Final = 199_900
RATE_PER_SECOND: Final = 1_000  # nobody of a trial waits for the pace


@dataclass(frozen=True, slots=True)
class Terms:
    """What a trial's sale has of its one item, for whom, and how long a hold lasts."""

    units: int = 16
    per_user_limit: int = 1
    hold_seconds: int = 120  # longer than a trial: what is neither paid nor given back shows as unsold


async def apply_sale(postgres: Postgres, sale_id: str, terms: Terms, opens_in_seconds: float) -> None:
    """Applies the sale as `floodgate sale apply` does."""
    opens_at = SystemClock().now() + timedelta(seconds=opens_in_seconds)
    closes_at = opens_at + timedelta(hours=1)
    texts = {language: {"title": "Faults", "rules": "-"} for language in ("zh-CN", "en")}
    sale = SalePlan(
        sale_id=sale_id,
        campaign_id="faults",
        opens_at=opens_at,
        closes_at=closes_at,
        hold_seconds=terms.hold_seconds,
        currency="CNY",
        texts=texts,
        shown_rules={},
        items=(ItemPlan(SKU, PRICE_MINOR, terms.units, terms.per_user_limit, texts),),
    )
    points = RulePlan("points", "points", 100, "PTS", None, None, 100 * terms.units)
    plan = SaleFile(sale, RoomPlan(sale_id, opens_at, closes_at, RATE_PER_SECOND), (points,))
    async with postgres.unit_of_work() as session:
        await apply(session, plan, actor="faults")
