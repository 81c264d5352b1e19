"""A sale file reaches all rooms in one transaction, or none."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from flashsale.errors import SaleUnknown
from flashsale.sales import get_sale
from kit.postgres import Postgres
from ops.models import AuditEntry
from ops.planning.language import REFUSALS, say_refusal
from ops.planning.salefile import SaleFile, apply, parse
from queueing.rooms import list_rooms
from rewards.errors import BudgetBelowPromised, RuleAlreadyGranted, RuleInvalid


@pytest.fixture
def sale_file(double11: str, sale_id: str) -> SaleFile:
    return parse(double11.replace("double11-2027", sale_id))


async def test_all_rooms_know_the_sale_after_one_commit(
    postgres: Postgres, sale_file: SaleFile, sale_id: str
) -> None:
    async with postgres.unit_of_work() as session:
        await apply(session, sale_file, actor="os/planner")
    async with postgres.read() as session:
        facts = await get_sale(session, sale_id)
        rooms = {room.sale_id: room for room in await list_rooms(session)}
    assert facts.shown_rules["rewards"][2]["first_n"] == 100
    assert rooms[sale_id].opens_at == facts.opens_at
    assert rooms[sale_id].rate_per_second == 200


async def test_a_reward_that_is_refused_leaves_no_sale_behind(
    postgres: Postgres, sale_file: SaleFile, sale_id: str
) -> None:
    """The rewards are applied last; what was written before them goes with them."""
    points, *others = sale_file.rewards
    spoilt = replace(sale_file, rewards=(replace(points, budget_minor=0), *others))
    with pytest.raises(RuleInvalid):
        async with postgres.unit_of_work() as session:
            await apply(session, spoilt, actor="os/planner")
    async with postgres.read() as session:
        with pytest.raises(SaleUnknown):
            await get_sale(session, sale_id)
        assert sale_id not in {room.sale_id for room in await list_rooms(session)}


async def test_each_application_leaves_one_audit_row_that_says_who_and_which_revision(
    postgres: Postgres, sale_file: SaleFile, sale_id: str
) -> None:
    for actor in ("os/planner", "os/lead"):
        async with postgres.unit_of_work() as session:
            await apply(session, sale_file, actor=actor)
    async with postgres.read() as session:
        rows = await session.scalars(
            select(AuditEntry).where(AuditEntry.subject == f"sale/{sale_id}").order_by(AuditEntry.at)
        )
        told = [(row.actor, row.action, row.details["revision"]) for row in rows]
    assert told == [("os/planner", "sale_applied", 1), ("os/lead", "sale_applied", 1)]  # nothing had changed


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_other_rooms_refuse_is_said_in_words(language: str) -> None:
    refusals = [
        RuleInvalid("points", "amount_minor", "must be 1 or more"),
        RuleAlreadyGranted("points", "kind"),
        BudgetBelowPromised("points", budget_minor=1, used_minor=2),
        SaleUnknown(sale_id="nowhere"),
    ]
    for refusal in refusals:
        assert refusal.code in REFUSALS
        assert str(next(iter(refusal.facts.values()))) in say_refusal(refusal, language)
