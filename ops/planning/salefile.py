"""A sale is a file: read it, find every mistake at once, and apply it to all rooms in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select

from flashsale.sales import ItemPlan, SaleFacts, SalePlan, apply_sale
from kit.ids import new_id
from kit.postgres import WriteSession
from ops.models import AuditEntry
from ops.planning.errors import SaleFileInvalid, SaleFileProblem, WindowOver
from ops.planning.faults import explain, explain_fault
from ops.planning.rules import find_faults, worth
from ops.planning.schema import CashReward, CouponReward, Document, RewardSection, SaleSection
from ops.planning.tree import read_tree
from queueing.rooms import RoomPlan, open_room
from rewards.grants import RulePlan, apply_rules

__all__ = ["SaleFile", "SaleFileInvalid", "SaleFileProblem", "apply", "parse"]


@dataclass(frozen=True, slots=True)
class SaleFile:
    """A valid sale file as what each room is told."""

    sale: SalePlan
    room: RoomPlan
    rewards: tuple[RulePlan, ...]

    def opening_in(self, seconds: int, now: datetime) -> "SaleFile":
        """The same sale with its window moved to open `seconds` after `now`; its length stays."""
        opens_at = now + timedelta(seconds=seconds)
        closes_at = opens_at + (self.sale.closes_at - self.sale.opens_at)
        return replace(
            self,
            sale=replace(self.sale, opens_at=opens_at, closes_at=closes_at),
            room=replace(self.room, opens_at=opens_at, closes_at=closes_at),
        )


def parse(text: str) -> SaleFile:
    """The sale in `text`. Raises `SaleFileInvalid` with every mistake found: line, field, what is wrong, the mend."""
    tree = read_tree(text)
    try:
        document = Document.model_validate(tree.value)
    except ValidationError as error:
        raise SaleFileInvalid([*tree.problems, *explain(error, tree)]) from None
    problems = [*tree.problems, *(explain_fault(fault, tree) for fault in find_faults(document))]
    if problems:
        raise SaleFileInvalid(problems)
    return _sale_file(document)


async def apply(session: WriteSession, sale_file: SaleFile, *, actor: str) -> SaleFacts:
    """Applies the sale to all rooms in the caller's one transaction, with the audit row of `actor`: all or nothing.

    Raises `WindowOver`, what `flashsale.sales.apply_sale` and `rewards.grants.apply_rules` refuse.
    """
    now = (await session.execute(select(func.now()))).scalar_one()
    if sale_file.sale.closes_at <= now:
        raise WindowOver(sale_id=sale_file.sale.sale_id, closes_at=sale_file.sale.closes_at.isoformat())
    facts = await apply_sale(session, sale_file.sale)
    await open_room(session, sale_file.room)
    await apply_rules(session, sale_file.sale.sale_id, list(sale_file.rewards))
    session.add(
        AuditEntry(
            entry_id=new_id(),
            actor=actor,
            action="sale_applied",
            subject=f"sale/{facts.sale_id}",
            details={"revision": facts.revision, "units": sum(item.total for item in facts.items)},
        )
    )
    await session.flush()
    return facts


def _sale_file(document: Document) -> SaleFile:
    sale = document.sale
    rewards = tuple(_rule(reward, sale.currency) for reward in document.rewards)
    items = tuple(
        ItemPlan(
            item.sku, item.price_minor, item.stock, item.per_user_limit, _texts(item.texts), item.buckets
        )
        for item in document.items
    )
    plan = SalePlan(
        sale_id=sale.id,
        campaign_id=sale.campaign,
        opens_at=sale.opens_at,
        closes_at=sale.closes_at,
        hold_seconds=sale.hold_seconds,
        currency=sale.currency,
        texts=_texts(sale.texts),
        shown_rules=_shown_rules(sale, rewards),
        items=items,
    )
    room = RoomPlan(sale.id, sale.opens_at, sale.closes_at, sale.admission.rate_per_second)
    return SaleFile(plan, room, rewards)


def _texts(texts: Any) -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = texts.model_dump(by_alias=True, exclude_none=True)
    return result


def _rule(reward: RewardSection, currency: str) -> RulePlan:
    amount, budget, _ = worth(reward)
    return RulePlan(
        rule_id=reward.id,
        kind=reward.kind,
        amount_minor=amount,
        currency=currency if isinstance(reward, CashReward) else {"points": "PTS"}.get(reward.kind, "CPN"),
        coupon_code=reward.coupon_code if isinstance(reward, CouponReward) else None,
        first_n=reward.first_n,
        budget_minor=budget,
    )


def _shown_rules(sale: SaleSection, rewards: tuple[RulePlan, ...]) -> dict[str, Any]:
    """What shoppers are shown of other rooms' rules; a coupon's code is for those who earned it."""
    return {
        "rate_per_second": sale.admission.rate_per_second,
        "rewards": [
            {
                "rule_id": rule.rule_id,
                "kind": rule.kind,
                "amount_minor": rule.amount_minor,
                "currency": rule.currency,
                "first_n": rule.first_n,
            }
            for rule in rewards
        ],
    }
