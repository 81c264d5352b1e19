"""What a sale is: the plan that planning applies, the facts that everybody reads, and which changes are refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kit.errors import InvalidInput
from kit.money import AMOUNT_MINOR_MAX

Texts = dict[str, dict[str, str]]

ITEMS_MAX: Final = 200  # the queue document carries a band for each and must stay small
TOTAL_MAX: Final = 10_000_000  # far beyond any flash sale, far below what Lua's doubles count exactly
PER_USER_LIMIT_MAX: Final = 1000
BUCKETS_MAX: Final = 64  # each is looked at by every process each second


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """One scarce thing as planned. `texts` is {"zh-CN": {...}, "en": {...}}; `buckets`: into how many its stock is split."""

    sku: str
    price_minor: int
    total: int
    per_user_limit: int
    texts: Texts
    buckets: int = 1


@dataclass(frozen=True, slots=True)
class SalePlan:
    """A sale as planned; `shown_rules` are other rooms' facts, kept only to be shown."""

    sale_id: str
    campaign_id: str
    opens_at: datetime
    closes_at: datetime
    hold_seconds: int
    currency: str
    texts: Texts
    shown_rules: dict[str, Any]
    items: tuple[ItemPlan, ...]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One scarce thing as it is on sale."""

    sku: str
    price_minor: int
    total: int
    per_user_limit: int
    texts: Texts
    buckets: int


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """A sale as applied; `revision` grows with every change."""

    sale_id: str
    campaign_id: str
    opens_at: datetime
    closes_at: datetime
    hold_seconds: int
    currency: str
    texts: Texts
    shown_rules: dict[str, Any]
    revision: int
    items: tuple[ItemFacts, ...]

    def item(self, sku: str) -> ItemFacts | None:
        for item in self.items:
            if item.sku == sku:
                return item
        return None


def check_plan(plan: SalePlan) -> None:
    """Refuses a plan that no sale could follow. Raises `InvalidInput` naming the field."""
    if plan.closes_at <= plan.opens_at:
        raise InvalidInput("closes_at", "must be after opens_at")
    if not 5 <= plan.hold_seconds <= 86400:
        raise InvalidInput("hold_seconds", "must lie in 5..86400")
    if not 1 <= len(plan.items) <= ITEMS_MAX:
        raise InvalidInput("items", f"must be 1 to {ITEMS_MAX}")
    if len({item.sku for item in plan.items}) != len(plan.items):
        raise InvalidInput("items", "name each sku once")
    for item in plan.items:
        if not 0 <= item.total <= TOTAL_MAX:
            raise InvalidInput(f"items.{item.sku}.total", f"must lie in 0..{TOTAL_MAX}")
        if not 1 <= item.per_user_limit <= PER_USER_LIMIT_MAX:
            raise InvalidInput(f"items.{item.sku}.per_user_limit", f"must lie in 1..{PER_USER_LIMIT_MAX}")
        if not 1 <= item.buckets <= BUCKETS_MAX:
            raise InvalidInput(f"items.{item.sku}.buckets", f"must lie in 1..{BUCKETS_MAX}")
        if not 0 <= item.price_minor <= AMOUNT_MINOR_MAX // item.per_user_limit:
            raise InvalidInput(f"items.{item.sku}.price_minor", "is negative or too large")


def broken_promises(facts: SaleFacts, plan: SalePlan) -> list[str]:
    """Which fields of a sale that has begun the plan would change although people rely on them."""
    broken = [
        name for name in ("opens_at", "closes_at", "currency") if getattr(facts, name) != getattr(plan, name)
    ]
    planned = {item.sku: item for item in plan.items}
    if planned.keys() != {item.sku for item in facts.items}:
        return [*broken, "items"]
    for item in facts.items:
        broken += [
            f"items.{item.sku}.{name}"
            for name in ("price_minor", "per_user_limit", "buckets")
            if getattr(item, name) != getattr(planned[item.sku], name)
        ]
    return broken


def same_as_applied(facts: SaleFacts, plan: SalePlan) -> bool:
    """Whether applying `plan` would change nothing."""
    names = ("campaign_id", "opens_at", "closes_at", "hold_seconds", "currency", "texts", "shown_rules")
    if any(getattr(facts, name) != getattr(plan, name) for name in names):
        return False
    planned = {item.sku: item for item in plan.items}
    return planned.keys() == {item.sku for item in facts.items} and all(
        all(
            getattr(item, name) == getattr(planned[item.sku], name)
            for name in ("price_minor", "total", "per_user_limit", "texts", "buckets")
        )
        for item in facts.items
    )
