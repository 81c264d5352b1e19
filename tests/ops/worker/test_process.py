"""A real worker on a real broker: events become rewards, rewards are paid, and it ends in an orderly way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import select

from kit.broker import create_broker, ring
from kit.embedded import ServerUrls
from kit.errors import StartRefused
from kit.postgres import Postgres
from kit.settings import RedisSettings
from ops.worker.process import WorkerProcess
from ops.worker.settings import WorkerSettings
from rewards.actors import grant_event
from rewards.grants import RewardFacts, list_rewards
from rewards.models import Attempt, Grant, Payout
from rewards.payout_rows import take_due
from rewards.programme import apply_rules
from tests.ops.simulator.running import RunningSimulator, running_simulator
from tests.rewards.conftest import announce, cash, confirmed, points

QUICK = WorkerSettings(threads=4, poll_ms=50, drain_seconds=5)


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[RunningSimulator]:
    async with running_simulator(tmp_path) as running:
        yield running


@pytest.fixture
def environment(
    servers: ServerUrls, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """The variables that a worker process reads."""
    for name, value in servers.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROVIDER_URL", simulator.url)
    monkeypatch.setenv("PROVIDER_API_KEY", "test-api-key")
    monkeypatch.setenv("PROVIDER_REQUEST_SECONDS", "0.5")
    return monkeypatch


@pytest.fixture
def broker(redis_settings: RedisSettings) -> RedisBroker:
    """A namespace of its own: workers of other tests must not take these messages."""
    return create_broker(redis_settings.redis_broker_url, namespace=f"test-{uuid4().hex[:12]}")


@pytest.fixture
async def worker(environment: pytest.MonkeyPatch, broker: RedisBroker) -> AsyncIterator[WorkerProcess]:
    process = WorkerProcess(broker, QUICK)
    await asyncio.to_thread(process.start)
    yield process
    await asyncio.to_thread(process.stop)
    await asyncio.to_thread(broker.close)
    broker.client.close()


async def _rewards_when(postgres: Postgres, user_id: str, count: int, state: str) -> list[RewardFacts]:
    async with asyncio.timeout(30):
        while True:
            async with postgres.read() as session:
                rewards = await list_rewards(session, user_id)
            if [reward.state for reward in rewards] == [state] * count:
                return rewards
            await asyncio.sleep(0.05)


async def _executed(simulator: RunningSimulator, user_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            if simulator.effects_of(user_id):
                return
            await asyncio.sleep(0.02)


async def _payouts_of(postgres: Postgres, user_id: str) -> list[UUID]:
    async with postgres.read() as session:
        return list(
            await session.scalars(
                select(Payout.payout_id)
                .join(Grant, Grant.grant_id == Payout.grant_id)
                .where(Grant.user_id == user_id)
            )
        )


async def test_an_event_becomes_rewards_and_each_is_paid_once_however_often_the_bell_rings(
    worker: WorkerProcess, broker: RedisBroker, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    user_id = f"{sale_id}-user"
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [points(), cash()])
    event_id = await announce(postgres, confirmed(sale_id, user_id))
    for _ in range(3):
        ring(broker, "grant_rewards", "rewards", event_id=str(event_id))
    await _rewards_when(postgres, user_id, 2, "promised")
    for payout_id in await _payouts_of(postgres, user_id) * 4:
        ring(broker, "pay_reward", "payouts", payout_id=str(payout_id))
    await _rewards_when(postgres, user_id, 2, "paid")
    assert len(simulator.effects_of(user_id)) == 2


async def test_a_message_that_makes_no_sense_is_swallowed_and_the_next_is_served(
    worker: WorkerProcess, broker: RedisBroker, postgres: Postgres, sale_id: str
) -> None:
    ring(broker, "grant_rewards", "rewards", event_id="not-an-id")
    ring(broker, "grant_rewards", "rewards", event_id=str(uuid4()))
    ring(broker, "grant_rewards", "rewards", something=str(uuid4()))
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [points()])
    event_id = await announce(postgres, confirmed(sale_id, f"{sale_id}-user"))
    ring(broker, "grant_rewards", "rewards", event_id=str(event_id))
    await _rewards_when(postgres, f"{sale_id}-user", 1, "promised")


async def test_what_a_stopped_worker_held_is_served_by_the_next(
    environment: pytest.MonkeyPatch, broker: RedisBroker, postgres: Postgres, simulator: RunningSimulator,
    redis_settings: RedisSettings, sale_id: str,
) -> None:  # fmt: skip
    user_id = f"{sale_id}-user"
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [points()])
    first = WorkerProcess(broker, QUICK)
    await asyncio.to_thread(first.start)
    await asyncio.to_thread(first.stop)
    event_id = await announce(postgres, confirmed(sale_id, user_id))
    ring(broker, "grant_rewards", "rewards", event_id=str(event_id))
    successor = create_broker(redis_settings.redis_broker_url, namespace=broker.namespace)
    second = WorkerProcess(successor, QUICK)
    await asyncio.to_thread(second.start)
    await _rewards_when(postgres, user_id, 1, "promised")
    await asyncio.to_thread(second.stop)
    for used in (broker, successor):
        used.client.close()


async def test_a_flushed_broker_costs_a_ring_and_no_reward(
    worker: WorkerProcess, broker: RedisBroker, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    """Goal: the row is the truth. Method: all keys of the broker vanish while the worker runs, then the keeper rings."""
    user_id = f"{sale_id}-user"
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [points()])
    event_id = await announce(postgres, confirmed(sale_id, user_id))
    ring(broker, "grant_rewards", "rewards", event_id=str(event_id))
    await _rewards_when(postgres, user_id, 1, "promised")
    for key in list(broker.client.scan_iter(f"{broker.namespace}*")):
        broker.client.delete(key)
    async with postgres.unit_of_work() as session:
        due = await take_due(session, 10_000)
    for payout_id in set(due) & set(await _payouts_of(postgres, user_id)):
        ring(broker, "pay_reward", "payouts", payout_id=str(payout_id))
    await _rewards_when(postgres, user_id, 1, "paid")
    assert len(simulator.effects_of(user_id)) == 1


async def test_a_worker_told_to_stop_records_what_it_has_in_hand(
    environment: pytest.MonkeyPatch,
    broker: RedisBroker,
    postgres: Postgres,
    simulator: RunningSimulator,
    sale_id: str,
) -> None:
    """Goal: nothing is cut off that can end. Method: it is told while it waits for a provider that stays silent."""
    user_id = f"{sale_id}-user"
    async with postgres.unit_of_work() as session:
        await apply_rules(session, sale_id, [points()])
    await grant_event(postgres, await announce(postgres, confirmed(sale_id, user_id)))
    (payout_id,) = await _payouts_of(postgres, user_id)
    simulator.misbehave(payout_silent_ratio=1)
    process = WorkerProcess(broker, QUICK)
    await asyncio.to_thread(process.start)
    ring(broker, "pay_reward", "payouts", payout_id=str(payout_id))
    await _executed(simulator, user_id)
    await asyncio.to_thread(process.stop)
    broker.client.close()
    async with postgres.read() as session:
        payout = await session.get_one(Payout, payout_id)
        attempt = await session.get_one(Attempt, (payout_id, 1))
    assert (payout.state, attempt.outcome) == ("due", "unknown")
    assert payout.ring_at > payout.created_at
    assert len(simulator.effects_of(user_id)) == 1


async def test_a_worker_that_cannot_open_its_parts_does_not_start(
    environment: pytest.MonkeyPatch, broker: RedisBroker
) -> None:
    environment.setenv("PROVIDER_URL", "nowhere")
    with pytest.raises(StartRefused, match="PROVIDER_URL"):
        await asyncio.to_thread(WorkerProcess(broker, QUICK).start)
    broker.client.close()


async def test_every_actor_of_the_timetable_is_declared(
    worker: WorkerProcess, broker: dramatiq.Broker
) -> None:
    queues = {name: actor.queue_name for name, actor in broker.actors.items()}
    assert queues == {
        "grant_rewards": "rewards",
        "pay_reward": "payouts",
        "refund_payment": "refunds",
        "ask_payment": "payments",
    }
