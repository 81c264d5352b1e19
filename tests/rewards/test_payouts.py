"""Payouts against the real simulator: whatever happens in between, its book shows one effect a reward."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text, update

from kit.doorbell import CHANNEL
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.provider import ProviderClient
from kit.redis import RedisRoles
from rewards.grants import list_rewards
from rewards.models import Attempt, Payout
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings
from tests.ops.simulator.running import RunningSimulator, running_simulator
from tests.rewards.conftest import Earn, balances


async def _attempts(postgres: Postgres, payout_id: UUID) -> list[tuple[int, str]]:
    async with postgres.read() as session:
        found = await session.execute(
            select(Attempt.number, Attempt.outcome)
            .where(Attempt.payout_id == payout_id)
            .order_by(Attempt.number)
        )
        return [(row.number, row.outcome) for row in found]


async def _ring_in_seconds(postgres: Postgres, payout_id: UUID) -> float:
    async with postgres.read() as session:
        wait = func.extract("epoch", Payout.ring_at - func.now())
        return float(await session.scalar(select(wait).where(Payout.payout_id == payout_id)) or 0)


async def _pay_until_ended(payouts: Payouts, payout_id: UUID) -> list[str]:
    outcomes = []
    for _ in range(20):
        outcomes.append(await payouts.pay(payout_id))
        if outcomes[-1] in {"paid", "blocked", "ended"}:
            return outcomes
    raise AssertionError(outcomes)


async def test_a_reward_is_paid_and_everything_says_so(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "paid"
    (effect,) = simulator.effects_of(f"{sale_id}-user")
    assert (effect.key, effect.amount_minor, effect.currency) == (f"{payout_id}:1", 500, "CNY")
    async with postgres.read() as session:
        (reward,) = await list_rewards(session, f"{sale_id}-user")
    assert (reward.state, reward.attempts) == ("paid", 1)
    assert reward.ended_at is not None
    assert await balances(postgres, sale_id, "cash") == {
        "funding": -50_000, "budget": 49_500, "promised": 0, "paid": 500,
    }  # fmt: skip


async def test_a_payout_that_is_rung_for_again_has_no_second_effect(
    payouts: Payouts, earn: Earn, simulator: RunningSimulator, sale_id: str
) -> None:
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "paid"
    assert await payouts.pay(payout_id) == "ended"
    assert await payouts.pay(uuid4()) == "ended"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_an_answer_that_never_came_is_asked_for_and_found_paid(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_silent_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "unknown"
    assert await _attempts(postgres, payout_id) == [(1, "unknown")]
    assert await payouts.pay(payout_id) == "paid"
    assert await _attempts(postgres, payout_id) == [(1, "paid")]
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_a_failure_before_execution_is_sent_again_under_the_same_key(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_error_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert [await payouts.pay(payout_id) for _ in range(3)] == ["unknown"] * 3
    assert await _attempts(postgres, payout_id) == [(1, "unknown")]
    simulator.misbehave()
    assert await payouts.pay(payout_id) == "paid"
    (effect,) = simulator.effects_of(f"{sale_id}-user")
    assert effect.key == f"{payout_id}:1"


async def test_a_decline_opens_the_next_number_after_a_wait(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_decline_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "declined"
    assert 0 < await _ring_in_seconds(postgres, payout_id) <= 2
    simulator.misbehave()
    assert await payouts.pay(payout_id) == "paid"
    assert await _attempts(postgres, payout_id) == [(1, "declined"), (2, "paid")]


async def test_after_five_declines_the_reward_is_blocked_with_an_owner_and_its_money_is_back(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_decline_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await _pay_until_ended(payouts, payout_id) == ["declined"] * 4 + ["blocked"]
    async with postgres.read() as session:
        (reward,) = await list_rewards(session, f"{sale_id}-user")
    assert (reward.state, reward.reason, reward.owner) == ("blocked", "provider_try_again_later", "finance")
    assert await balances(postgres, sale_id, "cash") == {
        "funding": -50_000, "budget": 50_000, "promised": 0, "paid": 0,
    }  # fmt: skip
    simulator.misbehave()
    assert await payouts.pay(payout_id) == "ended"
    assert simulator.effects_of(f"{sale_id}-user") == []


async def test_a_no_for_good_blocks_at_once(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_close_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "blocked"
    assert await _attempts(postgres, payout_id) == [(1, "declined")]


class _Crash(BaseException):
    """The process dies here."""


async def test_a_crash_between_the_attempt_and_the_call_is_made_good(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    payout_id = await earn(f"{sale_id}-user")

    async def die(*_: object) -> None:
        raise _Crash

    with monkeypatch.context() as patch:
        patch.setattr(payouts, "_put_to_provider", die)
        with pytest.raises(_Crash):
            await payouts.pay(payout_id)
    assert await _attempts(postgres, payout_id) == [(1, "unknown")]
    assert simulator.effects_of(f"{sale_id}-user") == []
    assert await payouts.pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_a_crash_between_the_call_and_its_recording_is_made_good(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    payout_id = await earn(f"{sale_id}-user")

    async def die(*_: object) -> None:
        raise _Crash

    with monkeypatch.context() as patch:
        patch.setattr(payouts, "_record", die)
        with pytest.raises(_Crash):
            await payouts.pay(payout_id)
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1
    assert await payouts.pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_postgres_away_at_the_recording_leaves_the_payout_due(
    payouts: Payouts, earn: Earn, simulator: RunningSimulator, sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payout_id = await earn(f"{sale_id}-user")

    async def away(*_: object) -> None:
        raise Unavailable("postgres")

    with monkeypatch.context() as patch:
        patch.setattr(payouts, "_record", away)
        with pytest.raises(Unavailable):
            await payouts.pay(payout_id)
    assert await payouts.pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_a_provider_that_is_away_is_left_alone_and_resumed(
    postgres: Postgres, redis_roles: RedisRoles, earn: Earn, sale_id: str, tmp_path: Any
) -> None:
    async with running_simulator(tmp_path / "away") as simulator:
        settings = simulator.settings(request_seconds=0.3)
    provider = ProviderClient(settings)
    payouts = Payouts(postgres, provider, redis_roles.queue, RewardsSettings())
    payout_id = await earn(f"{sale_id}-user")
    assert [await payouts.pay(payout_id) for _ in range(6)] == ["unknown"] * 6
    assert provider.breaker.is_open
    assert await _attempts(postgres, payout_id) == [(1, "unknown")]
    await provider.close()


async def test_due_payouts_are_rung_for_once_a_wait_and_again_when_the_broker_was_flushed(
    payouts: Payouts, earn: Earn, postgres: Postgres, sale_id: str
) -> None:
    """Goal: the row is the truth. Method: what was taken is never sent, as if the broker had lost it."""
    payout_id = await earn(f"{sale_id}-user")

    async def take() -> list[UUID]:
        async with postgres.unit_of_work() as session:
            return await payouts.take_due(session, 10_000)

    assert payout_id in await take()
    assert payout_id not in await take()
    assert 0 < await _ring_in_seconds(postgres, payout_id) <= 10
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(Payout)
            .where(Payout.payout_id == payout_id)
            .values(ring_at=text("now() - interval '1 second'"))
        )
    assert payout_id in await take()
    assert await payouts.pay(payout_id) == "paid"
    assert payout_id not in await take()


async def test_two_keepers_never_take_the_same_payout(
    payouts: Payouts, earn: Earn, postgres: Postgres, sale_id: str
) -> None:
    mine = {await earn(f"{sale_id}-{number}") for number in range(8)}

    async def take() -> list[UUID]:
        async with postgres.unit_of_work() as session:
            taken = await payouts.take_due(session, 5)
            await asyncio.sleep(0.05)
            return [payout_id for payout_id in taken if payout_id in mine]

    taken = [payout_id for batch in await asyncio.gather(take(), take(), take()) for payout_id in batch]
    assert len(taken) == len(set(taken))


async def test_the_owner_is_rung_for_when_a_reward_is_paid(
    payouts: Payouts, earn: Earn, redis_roles: RedisRoles, sale_id: str
) -> None:
    async with redis_roles.queue.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(CHANNEL)
        await subscription.get_message(timeout=1)
        await payouts.pay(await earn(f"{sale_id}-user"))
        async with asyncio.timeout(10):
            while (message := await subscription.get_message(timeout=1)) is None:
                pass
    assert message["data"] == f"{sale_id}-user".encode()


async def test_parameters_are_frozen_with_the_attempt(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    """Goal: an attempt is sent again as it was. Method: the grant's owner is renamed between the two sends."""
    simulator.misbehave(payout_error_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "unknown"
    async with postgres.unit_of_work() as session:
        await session.execute(
            text("UPDATE rewards.grants SET user_id = :other WHERE user_id = :user"),
            {"other": f"{sale_id}-other", "user": f"{sale_id}-user"},
        )
    simulator.misbehave()
    assert await payouts.pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1
    assert simulator.effects_of(f"{sale_id}-other") == []
