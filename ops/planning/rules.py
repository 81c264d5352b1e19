"""What must hold between the fields of a sale file: windows, limits, names and budgets. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, NamedTuple

from ops.planning.schema import CashReward, CouponReward, Document, PointsReward, RewardSection

WINDOW_DAYS_MAX: Final = 31  # a sale that runs longer is a shop; its waiting room would be kept for nothing

Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """A mistake between fields: its message, where, and the facts of the message; `first_at` is another place."""

    code: str
    path: Path
    facts: Mapping[str, object]
    first_at: Path | None = None


class Worth(NamedTuple):
    """A reward rule in numbers: each reward, the whole budget, and the field that states the budget."""

    amount: int
    budget: int
    budget_field: str


def worth(reward: RewardSection) -> Worth:
    """What one reward costs and what there is for all of them, in the rule's own unit."""
    match reward:
        case PointsReward():
            return Worth(reward.points, reward.budget_points, "budget_points")
        case CouponReward():
            return Worth(1, reward.budget_coupons, "budget_coupons")
        case CashReward():
            return Worth(reward.amount_minor, reward.budget_minor, "budget_minor")


def find_faults(document: Document) -> Iterator[Fault]:
    """Every mistake between the fields of a file whose fields are right one by one."""
    yield from _window(document)
    yield from _repeated("items", "sku", [item.sku for item in document.items])
    yield from _repeated("rewards", "id", [reward.id for reward in document.rewards])
    for place, item in enumerate(document.items):
        if item.per_user_limit > item.stock:
            facts = {"limit": item.per_user_limit, "stock": item.stock}
            yield Fault("limit_above_stock", ("items", place, "per_user_limit"), facts)
        if item.buckets > item.stock:
            facts = {"buckets": item.buckets, "stock": item.stock}
            yield Fault("buckets_above_stock", ("items", place, "buckets"), facts)
    stock = sum(item.stock for item in document.items)
    for place, reward in enumerate(document.rewards):
        yield from _budget(place, reward, stock)


def _window(document: Document) -> Iterator[Fault]:
    opens_at, closes_at = document.sale.opens_at, document.sale.closes_at
    if closes_at <= opens_at:
        facts = {"opens": opens_at.isoformat(), "closes": closes_at.isoformat()}
        yield Fault("window", ("sale", "closes_at"), facts)
    elif closes_at - opens_at > timedelta(days=WINDOW_DAYS_MAX):
        length = {"days": (closes_at - opens_at).days, "most": WINDOW_DAYS_MAX}
        yield Fault("window_long", ("sale", "closes_at"), length)


def _repeated(section: str, name: str, values: Iterable[str]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for place, value in enumerate(values):
        if value in seen:
            path, first_at = (section, place, name), (section, seen[value], name)
            yield Fault("repeated", path, {"value": value}, first_at)
        seen.setdefault(value, place)


def _budget(place: int, reward: RewardSection, stock: int) -> Iterator[Fault]:
    """A reservation takes at least one unit, so there are never more rewards than units, nor than `first_n`."""
    if reward.first_n is not None and reward.first_n > stock:
        facts = {"first": reward.first_n, "stock": stock}
        yield Fault("first_above_stock", ("rewards", place, "first_n"), facts)
    rewards = stock if reward.first_n is None else min(reward.first_n, stock)
    amount, budget, budget_field = worth(reward)
    if rewards * amount > budget:
        facts = {"budget": budget, "rewards": rewards, "amount": amount, "worst": rewards * amount}
        yield Fault("budget", ("rewards", place, budget_field), facts)


def closest(name: str, known: Sequence[str]) -> str | None:
    """The name that was probably meant."""
    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None
