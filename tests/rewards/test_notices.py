"""Payout webhooks: stored once, settling nothing, hastening the question."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import text

from kit.postgres import Postgres
from kit.provider import PayoutNotice
from rewards.payout_rows import read_backlog
from rewards.payouts import Payouts
from tests.ops.simulator.running import RunningSimulator
from tests.rewards.conftest import Earn


def _notice(provider_key: str, **changes: object) -> PayoutNotice:
    fields = {"event_id": f"evt_{uuid4().hex}", "type": "payout.paid", "occurred_at": datetime.now(UTC)}
    return PayoutNotice(provider_key=provider_key, **(fields | changes))  # type: ignore[arg-type]


async def _record(postgres: Postgres, payouts: Payouts, notice: PayoutNotice) -> str:
    async with postgres.unit_of_work() as session:
        return await payouts.record_notice(session, notice)


async def _wait_of(postgres: Postgres, payout_id: UUID) -> float:
    async with postgres.read() as session:
        statement = text(
            "SELECT extract(epoch FROM ring_at - now()) FROM rewards.payouts WHERE payout_id = :id"
        )
        return float(await session.scalar(statement, {"id": payout_id}) or 0)


async def test_a_notice_is_stored_once_and_one_about_nothing_of_ours_too(
    payouts: Payouts, earn: Earn, postgres: Postgres, sale_id: str
) -> None:
    payout_id = await earn(f"{sale_id}-user")
    await payouts.pay(payout_id)
    notice = _notice(f"{payout_id}:1")
    assert await _record(postgres, payouts, notice) == "recorded"
    assert await _record(postgres, payouts, notice) == "duplicate"
    foreign = _notice("somebody-elses:1")
    assert await _record(postgres, payouts, foreign) == "unmatched"
    assert await _record(postgres, payouts, foreign) == "duplicate"


async def test_a_notice_brings_the_question_forward_and_settles_nothing_itself(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    """Goal: a forged or early "paid" pays nobody. Method: the provider did nothing, and a notice says it paid."""
    simulator.misbehave(payout_error_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert await payouts.pay(payout_id) == "unknown"
    async with postgres.unit_of_work() as session:
        await session.execute(
            text("UPDATE rewards.payouts SET ring_at = now() + interval '1 hour' WHERE payout_id = :id"),
            {"id": payout_id},
        )
    assert await _record(postgres, payouts, _notice(f"{payout_id}:1")) == "recorded"
    assert await _wait_of(postgres, payout_id) <= 1
    async with postgres.read() as session:
        backlog = await read_backlog(session)
    assert backlog.due >= 1
    assert backlog.unknown >= 1
    assert backlog.unknown_oldest_age_seconds > 0
    simulator.misbehave()
    assert await payouts.pay(payout_id) == "paid"
    assert len(simulator.effects_of(f"{sale_id}-user")) == 1


async def test_a_notice_about_a_settled_attempt_rings_for_nobody(
    payouts: Payouts, earn: Earn, postgres: Postgres, simulator: RunningSimulator, sale_id: str
) -> None:
    simulator.misbehave(payout_decline_ratio=1)
    payout_id = await earn(f"{sale_id}-user")
    assert [await payouts.pay(payout_id) for _ in range(3)] == ["declined"] * 3
    assert await _record(postgres, payouts, _notice(f"{payout_id}:1", type="payout.declined")) == "recorded"
    assert await _wait_of(postgres, payout_id) > 1
