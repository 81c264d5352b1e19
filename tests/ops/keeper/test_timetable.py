"""What the duties do in one round: ring for what is due, lose nothing when the broker is away, write under the fence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import dramatiq
import pytest
from sqlalchemy import text

from flashsale.events import RESERVATION_CONFIRMED, outbox
from flashsale.settings import FlashsaleSettings
from kit.broker import create_broker
from kit.embedded import ServerUrls
from kit.embedded.ports import free_port
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.keeper.duty import Duty
from ops.keeper.fence import Fence, LeadershipLost
from ops.keeper.leadership import Leadership
from ops.keeper.timetable import Timetable
from tests.ops.keeper.conftest import Candidate


@dataclass
class Bench:
    duties: dict[str, Duty]
    broker: dramatiq.Broker

    def rung(self, queue: str) -> list[dict[str, str]]:
        """The ids of every message that waits in `queue`."""
        client = self.broker.client
        raw = client.hgetall(f"{self.broker.namespace}:{queue}.msgs").values()
        return [dramatiq.Message.decode(message).kwargs for message in raw]


def _bench(postgres: Postgres, redis_roles: RedisRoles, broker_url: str) -> Bench:
    broker = create_broker(broker_url, namespace=f"test-{uuid4().hex[:8]}")
    timetable = Timetable(postgres, postgres, redis_roles, broker, None, FlashsaleSettings())
    return Bench({duty.name: duty for duty in timetable.duties()}, broker)


@pytest.fixture
async def bench(postgres: Postgres, redis_roles: RedisRoles, servers: ServerUrls) -> AsyncIterator[Bench]:
    bench = _bench(postgres, redis_roles, servers.redis_broker)
    yield bench
    bench.broker.client.close()


@pytest.fixture
async def fence(candidate: Candidate, duty_name: str, postgres: Postgres) -> Fence:
    """The fence of whoever leads a duty of this test's own; duties check the one they are given.

    It is above every number that keepers of other tests have left behind in rooms of the same database.
    """
    async with postgres.unit_of_work() as session:
        await session.execute(
            text("INSERT INTO ops.duties (duty, fence, leader) VALUES (:duty, 1000000, 'before')"),
            {"duty": duty_name},
        )
    fence = await candidate("me").take()
    assert fence is not None
    return fence


async def _event(postgres: Postgres) -> UUID:
    async with postgres.unit_of_work() as session:
        return await outbox.write(session, RESERVATION_CONFIRMED, {"sale_id": "none"})


async def _deliveries(postgres: Postgres, event_id: UUID) -> int:
    async with postgres.read() as session:
        return await session.scalar(
            text("SELECT deliveries FROM flashsale.outbox WHERE event_id = :id"), {"id": event_id}
        )


async def test_an_event_is_rung_for_once_and_not_again_at_once(
    bench: Bench, fence: Fence, postgres: Postgres
) -> None:
    event_id = await _event(postgres)
    assert await bench.duties["outbox_relay"].round(fence) >= 1
    await bench.duties["outbox_relay"].round(fence)
    assert bench.rung("rewards").count({"event_id": str(event_id)}) == 1
    assert await _deliveries(postgres, event_id) == 1


async def test_an_event_stays_due_while_the_broker_is_away(
    fence: Fence, postgres: Postgres, redis_roles: RedisRoles, bench: Bench
) -> None:
    away = _bench(postgres, redis_roles, f"redis://127.0.0.1:{free_port()}/0")
    event_id = await _event(postgres)
    with pytest.raises(Unavailable):
        await away.duties["outbox_relay"].round(fence)
    assert await _deliveries(postgres, event_id) == 0
    await bench.duties["outbox_relay"].round(fence)
    assert {"event_id": str(event_id)} in bench.rung("rewards")


async def test_a_replaced_leader_rings_for_nothing(
    bench: Bench, candidate: Candidate, postgres: Postgres
) -> None:
    old = candidate("old")
    old_fence = await old.take()
    assert old_fence is not None
    old.resign()
    await _until_taken(candidate("new"))
    event_id = await _event(postgres)
    for name in ("outbox_relay", "payout_ring", "refund_ring", "payment_ask", "hold_expiry", "rooms"):
        with pytest.raises(LeadershipLost):
            await bench.duties[name].round(old_fence)
    assert bench.rung("rewards") == []
    assert await _deliveries(postgres, event_id) == 0


async def test_every_duty_does_a_round_on_empty_tables(bench: Bench, fence: Fence) -> None:
    for duty in bench.duties.values():
        assert await duty.round(fence) >= 0


def test_every_duty_is_bounded(bench: Bench) -> None:
    for duty in bench.duties.values():
        assert 0 < duty.every_seconds <= 10
        assert 0 < duty.round_seconds_max <= 240
        assert duty.round_seconds_max <= 60 or duty.share_max <= 0.25
        assert duty.batch_max > 0


async def _until_taken(leadership: Leadership) -> Fence:
    while True:
        if (fence := await leadership.take()) is not None:
            return fence
