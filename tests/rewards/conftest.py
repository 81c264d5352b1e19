"""The real simulator, a client with little patience, and confirmed reservations to grant for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from flashsale.events import RESERVATION_CONFIRMED, ReservationConfirmed, outbox
from kit.postgres import Postgres
from kit.provider import ProviderClient
from kit.redis import RedisRoles
from rewards.actors import grant_event
from rewards.grants import RulePlan, apply_rules
from rewards.models import Grant, Payout
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings
from tests.ops.simulator.running import RunningSimulator, running_simulator


def points(rule_id: str = "points", **changes: object) -> RulePlan:
    """10 points for everybody, paid for a thousand times."""
    plan: dict[str, object] = {
        "kind": "points", "amount_minor": 10, "currency": "PTS", "coupon_code": None, "first_n": None,
        "budget_minor": 10_000,
    }  # fmt: skip
    return RulePlan(rule_id=rule_id, **(plan | changes))  # type: ignore[arg-type]


def cash(rule_id: str = "cash", **changes: object) -> RulePlan:
    """5.00 yuan for everybody, paid for a hundred times."""
    return points(
        rule_id,
        **({"kind": "cash", "amount_minor": 500, "currency": "CNY", "budget_minor": 50_000} | changes),
    )


def confirmed(sale_id: str, user_id: str | None = None) -> ReservationConfirmed:
    return ReservationConfirmed(
        reservation_id=uuid4(), sale_id=sale_id, sku="sku", user_id=user_id or f"u-{uuid4().hex[:12]}",
        quantity=1, amount_minor=1_000, currency="CNY",
    )  # fmt: skip


async def announce(postgres: Postgres, event: ReservationConfirmed) -> UUID:
    """Writes the outbox event as flashsale does when it confirms."""
    async with postgres.unit_of_work() as session:
        return await outbox.write(session, RESERVATION_CONFIRMED, event.payload())


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[RunningSimulator]:
    async with running_simulator(tmp_path) as running:
        yield running


@pytest.fixture
async def provider(simulator: RunningSimulator) -> AsyncIterator[ProviderClient]:
    """Its patience ends after 0.3 s: silence is an answer that does not come, however long one waits."""
    client = ProviderClient(simulator.settings(request_seconds=0.3))
    yield client
    await client.close()


@pytest.fixture
def payouts(postgres: Postgres, provider: ProviderClient, redis_roles: RedisRoles) -> Payouts:
    return Payouts(postgres, provider, redis_roles.queue, RewardsSettings(payouts_at_once_max=4))


Earn = Callable[..., Awaitable[UUID]]


@pytest.fixture
def earn(postgres: Postgres, sale_id: str) -> Earn:
    """A user earns 5.00 yuan; the id of the payout."""

    async def earn_cash(user_id: str) -> UUID:
        async with postgres.unit_of_work() as session:
            await apply_rules(session, sale_id, [cash()])
        event = confirmed(sale_id, user_id)
        assert await grant_event(postgres, await announce(postgres, event)) == "granted"
        async with postgres.read() as session:
            payout_id = await session.scalar(
                select(Payout.payout_id)
                .join(Grant, Grant.grant_id == Payout.grant_id)
                .where(Grant.reservation_id == event.reservation_id)
            )
        assert payout_id is not None
        return payout_id

    return earn_cash


async def balances(postgres: Postgres, sale_id: str, rule_id: str) -> dict[str, int]:
    """The four balances of a rule."""
    async with postgres.read() as session:
        found = await session.execute(
            text("SELECT kind, balance_minor FROM rewards.accounts WHERE account_id LIKE :like"),
            {"like": f"%/{sale_id}/{rule_id}"},
        )
        return {row.kind: row.balance_minor for row in found}
