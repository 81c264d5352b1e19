"""The rules of a sale: funded once, changed only where nothing was promised."""

from dataclasses import replace

import pytest

from kit.postgres import Postgres
from rewards.actors import grant_event
from rewards.errors import BudgetBelowPromised, RuleAlreadyGranted, RuleInvalid
from rewards.grants import RulePlan, apply_rules, list_rewards
from tests.rewards.conftest import announce, balances, cash, confirmed, points


async def _apply(postgres: Postgres, sale_id: str, *plans: RulePlan) -> None:
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, list(plans))


async def _grant_one(postgres: Postgres, sale_id: str, user_id: str | None = None) -> None:
    await grant_event(postgres, await announce(postgres, confirmed(sale_id, user_id)))


async def test_applying_the_same_rules_again_moves_no_money(postgres: Postgres, sale_id: str) -> None:
    for _ in range(2):
        await _apply(postgres, sale_id, points(), cash())
    assert (await balances(postgres, sale_id, "points"))["budget"] == 10_000
    assert (await balances(postgres, sale_id, "cash"))["funding"] == -50_000


async def test_a_budget_follows_the_file_up_and_down_and_up(postgres: Postgres, sale_id: str) -> None:
    for budget in (10_000, 20_000, 5_000, 20_000):
        await _apply(postgres, sale_id, points(budget_minor=budget))
        held = await balances(postgres, sale_id, "points")
        assert held == {"funding": -budget, "budget": budget, "promised": 0, "paid": 0}


async def test_a_budget_cannot_fall_below_what_is_promised(postgres: Postgres, sale_id: str) -> None:
    await _apply(postgres, sale_id, points())
    for _ in range(3):
        await _grant_one(postgres, sale_id)
    with pytest.raises(BudgetBelowPromised) as refused:
        await _apply(postgres, sale_id, points(budget_minor=20))
    assert refused.value.facts["used_minor"] == 30
    await _apply(postgres, sale_id, points(budget_minor=30))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 20}, "amount_minor"),
        ({"first_n": 1}, "first_n"),
        ({"kind": "cash", "currency": "CNY"}, "kind"),
    ],
)
async def test_what_was_promised_does_not_change_after_the_first_grant(
    postgres: Postgres, sale_id: str, changes: dict[str, object], field: str
) -> None:
    await _apply(postgres, sale_id, points())
    for _ in range(2):
        await _grant_one(postgres, sale_id)
    with pytest.raises(RuleAlreadyGranted) as refused:
        await _apply(postgres, sale_id, points(**changes))
    assert refused.value.facts["field"] == field
    with pytest.raises(RuleAlreadyGranted):
        await _apply(postgres, sale_id)


async def test_a_rule_that_nobody_earned_yet_can_go_and_its_money_returns(
    postgres: Postgres, sale_id: str
) -> None:
    await _apply(postgres, sale_id, points(), cash())
    await _apply(postgres, sale_id, cash())
    assert set((await balances(postgres, sale_id, "points")).values()) == {0}


async def test_a_faulty_or_repeated_rule_is_refused_as_a_whole(postgres: Postgres, sale_id: str) -> None:
    for plans in ([points(), replace(cash(), amount_minor=0)], [points(), points()]):
        with pytest.raises(RuleInvalid):
            await _apply(postgres, sale_id, *plans)
    assert await balances(postgres, sale_id, "points") == {}


async def test_who_found_the_budget_spent_is_promised_when_it_is_raised(
    postgres: Postgres, sale_id: str
) -> None:
    """Goal: blocked for money is a state one can leave. Method: budget for one, two earn, the budget is doubled."""
    users = [f"{sale_id}-{name}" for name in ("first", "second")]
    await _apply(postgres, sale_id, points(budget_minor=10))
    for user in users:
        await _grant_one(postgres, sale_id, user)
    async with postgres.read() as session:
        (blocked,) = await list_rewards(session, users[1])
    assert (blocked.state, blocked.reason, blocked.owner) == ("blocked", "budget_spent", "operations")
    await _apply(postgres, sale_id, points(budget_minor=20))
    async with postgres.read() as session:
        (resumed,) = await list_rewards(session, users[1])
    assert (resumed.state, resumed.reason, resumed.owner, resumed.ended_at) == ("promised", None, None, None)
    assert await balances(postgres, sale_id, "points") == {
        "funding": -20,
        "budget": 0,
        "promised": 20,
        "paid": 0,
    }
