"""Why a payout was blocked: the provider's word is kept apart from our own reasons."""

from typing import Any

import pytest

from kit.postgres import Postgres
from rewards.grants import apply_rules, list_rewards
from rewards.payouts import Payouts
from tests.rewards.conftest import Earn, cash


async def test_a_provider_that_speaks_our_words_is_not_taken_for_us(
    payouts: Payouts, earn: Earn, postgres: Postgres, sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A no for good with the reason `budget_spent`, or a long one: finance owns it, and a raised budget pays nobody."""
    said = {"budget_spent": "provider_budget_spent", "x" * 500: "provider_" + "x" * 191}
    for number, (reason, _) in enumerate(said.items()):
        _decline_with(monkeypatch, payouts, reason)
        assert await payouts.pay(await earn(f"{sale_id}-{number}")) == "blocked"
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [cash(budget_minor=100_000)])
    for number, (_, kept) in enumerate(said.items()):
        async with postgres.read() as session:
            (reward,) = await list_rewards(session, f"{sale_id}-{number}")
        assert (reward.state, reward.reason, reward.owner) == ("blocked", kept, "finance")


def _decline_with(monkeypatch: pytest.MonkeyPatch, payouts: Payouts, reason: str) -> None:
    async def decline(*_: Any, idempotency_key: str) -> dict[str, Any]:
        return {
            "provider_key": idempotency_key, "state": "declined", "reason": reason, "retryable": False,
        }  # fmt: skip

    monkeypatch.setattr(payouts._provider, "post", decline)
