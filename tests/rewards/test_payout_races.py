"""Workers and providers against each other over one payout: one effect, and the controls that show two."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from kit.postgres import Postgres
from kit.provider import Breaker, ProviderClient, ProviderUnknown
from kit.redis import RedisRoles
from rewards import rules
from rewards.grants import list_rewards
from rewards.models import Payout
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings
from tests.ops.simulator.running import RunningSimulator
from tests.rewards.conftest import Earn, balances


def _two_workers(
    postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles
) -> tuple[Payouts, Payouts]:
    # Two workers have a pool each; here they share one of ten connections, and a payout takes two.
    few = RewardsSettings(payouts_at_once_max=2)
    one, other = (Payouts(postgres, provider, redis_roles.queue, few) for _ in range(2))
    return one, other


async def test_with_a_number_that_does_not_wait_for_a_no_two_workers_pay_twice(
    postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles, earn: Earn,
    simulator: RunningSimulator, sale_id: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Control: an unknown outcome is taken for a failure, as a plain retry does, and the book shows two effects."""

    def next_number(last: rules.LastAttempt | None) -> rules.Open:
        return rules.Open(1 if last is None else last.number + 1)

    monkeypatch.setattr(rules, "next_step", next_number)
    simulator.misbehave(payout_silent_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    for worker in _two_workers(postgres, provider, redis_roles):
        await worker.pay(payout_id)
    assert [effect.key for effect in simulator.effects_of(f"{sale_id}-user")] == [
        f"{payout_id}:1",
        f"{payout_id}:2",
    ]


async def _pay_without_attempt(
    postgres: Postgres, provider: ProviderClient, payout_id: UUID, number: int
) -> None:
    """The control: the provider is called first, and the attempt is written when it has answered."""
    async with postgres.read() as session:
        payout = await session.get_one(Payout, payout_id)
        assert payout.state == "due"
    parameters: dict[str, Any] = {
        "provider_key": f"{payout_id}:{number}", "user_id": f"u-{payout_id}", "kind": "cash",
        "amount_minor": 500, "currency": "CNY", "coupon_code": None,
    }  # fmt: skip
    await provider.post("/payouts", parameters, idempotency_key=parameters["provider_key"])


async def test_without_the_attempt_before_the_call_a_lost_answer_is_paid_again(
    postgres: Postgres, provider: ProviderClient, earn: Earn, simulator: RunningSimulator, sale_id: str
) -> None:
    """Control: nothing was written before the call, so the second worker knows of no first try."""
    payout_id = await earn(f"{sale_id}-user")
    simulator.misbehave(payout_silent_ratio=1)
    for number in (1, 2):
        with pytest.raises(ProviderUnknown):
            await _pay_without_attempt(postgres, provider, payout_id, number)
    assert len(simulator.effects_of(f"u-{payout_id}")) == 2


async def test_two_workers_at_once_act_once(
    postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles, earn: Earn,
    simulator: RunningSimulator, sale_id: str,
) -> None:  # fmt: skip
    """Goal: one acts and the others step aside. Method: the provider stays silent, so the first is still at it."""
    simulator.misbehave(payout_silent_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    workers = _two_workers(postgres, provider, redis_roles)
    outcomes = await asyncio.gather(*(worker.pay(payout_id) for worker in workers * 2))
    assert sorted(outcomes) == ["busy", "busy", "busy", "unknown"]
    assert await workers[1].pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


class _Unguarded(Payouts):
    """Without the lock: both workers see the payout at once."""

    async def pay(self, payout_id: UUID) -> Any:
        return await self._step(payout_id)


async def test_even_without_the_lock_the_key_keeps_the_effect_single(
    postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles, earn: Earn,
    simulator: RunningSimulator, sale_id: str,
) -> None:  # fmt: skip
    simulator.misbehave(payout_decline_ratio=0.3, payout_silent_ratio=0.3, payout_error_ratio=0.2, seed=11)
    payout_id = await earn(f"{sale_id}-user")
    workers = [_Unguarded(postgres, provider, redis_roles.queue, RewardsSettings()) for _ in range(2)]
    for _ in range(12):
        outcomes = await asyncio.gather(
            *(worker.pay(payout_id) for worker in workers), return_exceptions=True
        )
        if "ended" in outcomes and "paid" not in outcomes:
            break
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_a_storm_of_every_fault_ends_with_each_reward_paid_once_or_blocked(
    postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles, earn: Earn,
    simulator: RunningSimulator, sale_id: str,
) -> None:  # fmt: skip
    simulator.misbehave(
        payout_silent_ratio=0.2,
        payout_error_ratio=0.2,
        payout_decline_ratio=0.2,
        payout_close_ratio=0.05,
        seed=3,
    )
    users = [f"{sale_id}-{number}" for number in range(12)]
    due = [await earn(user) for user in users]
    workers = _two_workers(postgres, provider, redis_roles)
    for _ in range(12):
        await asyncio.gather(*(worker.pay(payout_id) for payout_id in due for worker in workers))
        provider.breaker = Breaker()  # five silences in a row are chance here, not an outage
    async with postgres.read() as session:
        states = {user: (await list_rewards(session, user))[0].state for user in users}
    assert set(states.values()) <= {"paid", "blocked"}
    effects = {user: len(simulator.effects_of(user)) for user in users}
    assert effects == {user: int(state == "paid") for user, state in states.items()}
    held = await balances(postgres, sale_id, "cash")
    assert sum(held.values()) == 0
    assert held["paid"] == 500 * sum(effects.values())
    assert held["promised"] == 0
