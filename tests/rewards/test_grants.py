"""Grants: once a rule and reservation, within first_n and budget, in the order in which people were confirmed."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, text

from kit.postgres import Postgres
from rewards import grants, rules
from rewards.actors import grant_event
from rewards.errors import EarlierConfirmationsOpen
from rewards.grants import RulePlan, apply_rules, list_rewards
from rewards.models import Grant, Rule
from tests.rewards.conftest import announce, balances, cash, confirmed, points


async def _apply(postgres: Postgres, sale_id: str, *plans: RulePlan) -> None:
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, list(plans))


async def _count(postgres: Postgres, sale_id: str, state: str = "promised") -> int:
    async with postgres.read() as session:
        found = await session.scalar(
            select(func.count()).where(Grant.sale_id == sale_id, Grant.state == state)
        )
        return found or 0


async def test_a_confirmed_reservation_earns_every_reward_of_its_sale(
    postgres: Postgres, sale_id: str
) -> None:
    coupon = points("coupon", kind="coupon", amount_minor=1, currency="CPN", coupon_code="NEXT10")
    await _apply(postgres, sale_id, points(), cash(), coupon)
    event = confirmed(sale_id, f"{sale_id}-user")
    await grant_event(postgres, await announce(postgres, event))
    async with postgres.read() as session:
        rewards = {reward.rule_id: reward for reward in await list_rewards(session, event.user_id)}
    assert {name: (r.kind, r.amount_minor, r.currency, r.state) for name, r in rewards.items()} == {
        "points": ("points", 10, "PTS", "promised"),
        "cash": ("cash", 500, "CNY", "promised"),
        "coupon": ("coupon", 1, "CPN", "promised"),
    }
    assert rewards["coupon"].coupon_code == "NEXT10"
    assert rewards["points"].attempts == 0


async def test_the_same_event_delivered_again_and_at_once_grants_once(
    postgres: Postgres, sale_id: str
) -> None:
    await _apply(postgres, sale_id, points())
    event_id = await announce(postgres, confirmed(sale_id))
    outcomes = await asyncio.gather(*(grant_event(postgres, event_id) for _ in range(6)))
    assert sorted(outcomes) == ["ended"] * 5 + ["granted"]
    assert await _count(postgres, sale_id) == 1


async def test_two_events_about_one_reservation_grant_once(postgres: Postgres, sale_id: str) -> None:
    await _apply(postgres, sale_id, points())
    event = confirmed(sale_id)
    for event_id in [await announce(postgres, event) for _ in range(2)]:
        await grant_event(postgres, event_id)
    assert await _count(postgres, sale_id) == 1


async def test_a_crash_after_granting_and_before_the_commit_leaves_the_event_open(
    postgres: Postgres, sale_id: str
) -> None:
    await _apply(postgres, sale_id, points())
    event = confirmed(sale_id)
    event_id = await announce(postgres, event)
    with pytest.raises(KeyboardInterrupt):
        async with postgres.unit_of_work() as session:
            await grants.grant_for(session, event, event_id=event_id)
            raise KeyboardInterrupt
    assert await _count(postgres, sale_id) == 0
    assert await grant_event(postgres, event_id) == "granted"


async def _grant_unlocked(postgres: Postgres, sale_id: str, everyone_has_read: asyncio.Barrier) -> None:
    """The control: the rule is read without its lock, and judged by what was read."""
    async with postgres.unit_of_work() as session:
        granted = await session.scalar(select(Rule.granted).where(Rule.sale_id == sale_id))
        await everyone_has_read.wait()
        if granted is not None and granted < 5:
            event = confirmed(sale_id)
            row = grants._row(event, Rule(rule_id="cash", kind="cash", amount_minor=500, currency="CNY"))
            await session.execute(Grant.__table__.insert().values(**row, state="promised"))  # type: ignore[attr-defined]


async def test_without_the_lock_of_the_rule_more_than_n_are_granted(postgres: Postgres, sale_id: str) -> None:
    """Control of the race below: the guard removed, eight at once all find a place among the first five."""
    await _apply(postgres, sale_id, cash(first_n=5))
    everyone_has_read = asyncio.Barrier(8)
    await asyncio.gather(*(_grant_unlocked(postgres, sale_id, everyone_has_read) for _ in range(8)))
    granted = await _count(postgres, sale_id)
    async with postgres.unit_of_work() as session:  # what the control broke must not be seen by other tests
        await session.execute(delete(Grant).where(Grant.sale_id == sale_id))
    assert granted == 8


async def test_fifty_at_once_on_the_first_twenty_grant_exactly_twenty(
    postgres: Postgres, sale_id: str
) -> None:
    await _apply(postgres, sale_id, cash(first_n=20))
    events = [await announce(postgres, confirmed(sale_id)) for _ in range(50)]
    await asyncio.gather(*(grant_event(postgres, event_id) for event_id in events))
    assert await _count(postgres, sale_id) == 20
    assert await balances(postgres, sale_id, "cash") == {
        "funding": -50_000, "budget": 40_000, "promised": 10_000, "paid": 0,
    }  # fmt: skip


async def test_fifty_at_once_on_a_budget_for_seven_promise_exactly_seven(
    postgres: Postgres, sale_id: str
) -> None:
    await _apply(postgres, sale_id, cash(budget_minor=3_999))
    events = [await announce(postgres, confirmed(sale_id)) for _ in range(50)]
    await asyncio.gather(*(grant_event(postgres, event_id) for event_id in events))
    assert await _count(postgres, sale_id) == 7
    assert await _count(postgres, sale_id, "blocked") == 43
    assert (await balances(postgres, sale_id, "cash"))["budget"] == 499


async def test_the_first_n_are_those_who_were_confirmed_first_whatever_order_the_messages_take(
    postgres: Postgres, sale_id: str
) -> None:
    """Goal: "the first 10" are the first 10. Method: thirty events are handed out backwards, ten at a time."""
    await _apply(postgres, sale_id, cash(first_n=10))
    confirmations = [confirmed(sale_id) for _ in range(30)]
    events = [await announce(postgres, confirmation) for confirmation in confirmations]
    open_events = list(reversed(events))
    while open_events:
        open_events = await _grant_those_that_can(postgres, open_events)
    async with postgres.read() as session:
        winners = set(await session.scalars(select(Grant.user_id).where(Grant.sale_id == sale_id)))
    assert winners == {confirmation.user_id for confirmation in confirmations[:10]}


async def _grant_those_that_can(postgres: Postgres, events: list[UUID]) -> list[UUID]:
    from rewards.actors import _grant_once

    put_off: list[UUID] = []
    for event_id in events:
        try:
            await _grant_once(postgres, event_id)
        except EarlierConfirmationsOpen:
            put_off.append(event_id)
    return put_off


async def test_without_the_order_of_the_outbox_the_fastest_message_wins(
    postgres: Postgres, sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with earlier events ignored, the thirtieth takes the place of the first."""
    judge = rules.judge
    monkeypatch.setattr(rules, "judge", lambda **facts: judge(**(facts | {"earlier_open": 0})))
    await _apply(postgres, sale_id, cash(first_n=1))
    confirmations = [confirmed(sale_id) for _ in range(3)]
    events = [await announce(postgres, confirmation) for confirmation in confirmations]
    for event_id in reversed(events):
        await grant_event(postgres, event_id)
    async with postgres.read() as session:
        winner = await session.scalar(select(Grant.user_id).where(Grant.sale_id == sale_id))
    assert winner == confirmations[-1].user_id


async def test_a_stuck_event_does_not_hold_up_those_behind_it(postgres: Postgres, sale_id: str) -> None:
    await _apply(postgres, sale_id, cash(first_n=1))
    stuck = await announce(postgres, confirmed(sale_id))
    async with postgres.unit_of_work() as session:
        await session.execute(
            text("UPDATE flashsale.outbox SET deliveries = 50 WHERE event_id = :id"), {"id": stuck}
        )
    assert await grant_event(postgres, await announce(postgres, confirmed(sale_id))) == "granted"
    assert await _count(postgres, sale_id) == 1


async def test_a_sale_without_rules_earns_nothing_and_its_event_is_done(
    postgres: Postgres, sale_id: str
) -> None:
    event_id = await announce(postgres, confirmed(sale_id))
    assert await grant_event(postgres, event_id) == "granted"
    assert await grant_event(postgres, event_id) == "ended"
