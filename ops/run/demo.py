"""The demo's sale: the one in a sale file, under an id of its own, smaller, and about to open. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from flashsale.sales import ItemPlan
from ops.planning.salefile import SaleFile

# Time enough to pay on a busy laptop, and no longer than the crowd is ready to wait for the end of a hold: so units of
# those who do not pay come back while people still look.
CROWD_HOLD_SECONDS: Final = 20
OPEN_SECONDS: Final = 1800


def demo_sale(
    sale_file: SaleFile,
    *,
    sale_id: str,
    units: int,
    opens_at: datetime,
    with_crowd: bool,
    rate_per_second_max: int,
) -> SaleFile:
    """`sale_file` as it is run here: `units` of stock in all, opening at `opens_at`; for a crowd with a short hold.

    People who shop by hand get the time to pay that the rules on the page promise.
    """
    rate = min(sale_file.room.rate_per_second, rate_per_second_max)
    closes_at = opens_at + timedelta(seconds=OPEN_SECONDS)
    sale = replace(
        sale_file.sale,
        sale_id=sale_id,
        opens_at=opens_at,
        closes_at=closes_at,
        hold_seconds=CROWD_HOLD_SECONDS if with_crowd else sale_file.sale.hold_seconds,
        items=share_units(sale_file.sale.items, units),
        shown_rules={**sale_file.sale.shown_rules, "rate_per_second": rate},
    )
    room = replace(
        sale_file.room, sale_id=sale_id, rate_per_second=rate, opens_at=opens_at, closes_at=closes_at
    )
    return replace(sale_file, sale=sale, room=room)


def share_units(items: Sequence[ItemPlan], units: int) -> tuple[ItemPlan, ...]:
    """The items with `units` shared among them in proportion to their stock; each gets at least one."""
    whole = sum(item.total for item in items)
    shares = [max(1, units * item.total // whole) for item in items]
    largest = max(range(len(items)), key=lambda place: shares[place])
    shares[largest] += units - sum(shares)
    return tuple(replace(item, total=share) for item, share in zip(items, shares, strict=True))
