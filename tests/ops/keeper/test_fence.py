"""A leader that was replaced while it slept cannot write under its old number."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from kit.errors import Unavailable
from kit.postgres import Postgres, WriteSession
from ops.keeper.fence import STALLED_SECONDS_MAX, Fence, LeadershipLost, fenced_unit_of_work
from tests.ops.keeper.conftest import Candidate


async def test_the_write_of_an_old_leader_is_refused(candidate: Candidate, postgres: Postgres) -> None:
    old_fence, new_fence = await _replaced_leader(candidate)
    subject = uuid4().hex
    with pytest.raises(LeadershipLost):
        async with fenced_unit_of_work(postgres, old_fence) as session:
            await _write(session, subject)
    assert await _written(postgres, subject) == 0
    async with fenced_unit_of_work(postgres, new_fence) as session:
        await _write(session, subject)
    assert await _written(postgres, subject) == 1


async def test_control_without_the_fence_the_write_of_an_old_leader_is_accepted(
    candidate: Candidate, postgres: Postgres
) -> None:
    await _replaced_leader(candidate)
    subject = uuid4().hex
    async with postgres.unit_of_work() as session:
        await _write(session, subject)
    assert await _written(postgres, subject) == 1


async def test_a_takeover_waits_for_the_old_leaders_transaction_in_flight(
    candidate: Candidate, postgres: Postgres
) -> None:
    """Else the old leader's check would be true when made and false when it commits."""
    old, new = candidate("old"), candidate("new")
    old_fence = await old.take()
    assert old_fence is not None
    async with fenced_unit_of_work(postgres, old_fence) as session:
        old.resign()
        taking = asyncio.create_task(_take(new.take))
        await _until_someone_waits_for_the_row(session)
        assert not taking.done()
        await _write(session, uuid4().hex)
    assert (await taking).number == old_fence.number + 1


async def test_a_leader_that_stalls_in_a_transaction_does_not_hold_up_the_next(
    candidate: Candidate, postgres: Postgres
) -> None:
    old, new = candidate("old"), candidate("new")
    old_fence = await old.take()
    assert old_fence is not None
    with pytest.raises(Unavailable):
        async with fenced_unit_of_work(postgres, old_fence) as session:
            old.resign()
            assert (await _take(new.take)).number == old_fence.number + 1
            await _write(session, uuid4().hex)


def test_a_stalled_transaction_ends_well_within_a_takeover() -> None:
    assert STALLED_SECONDS_MAX < 5


async def _take(take: Callable[[], Awaitable[Fence | None]]) -> Fence:
    while True:
        if (fence := await take()) is not None:
            return fence
        await asyncio.sleep(0.05)


async def _replaced_leader(candidate: Candidate) -> tuple[Fence, Fence]:
    old, new = candidate("old"), candidate("new")
    old_fence = await _take(old.take)
    old.resign()
    return old_fence, await _take(new.take)


async def _write(session: WriteSession, subject: str) -> None:
    await session.execute(
        text(
            "INSERT INTO ops.audit (entry_id, actor, action, subject, details)"
            " VALUES (gen_random_uuid(), 'keeper', 'test', :subject, '{}')"
        ),
        {"subject": subject},
    )


async def _written(postgres: Postgres, subject: str) -> int:
    async with postgres.read() as session:
        return await session.scalar(
            text("SELECT count(*) FROM ops.audit WHERE subject = :subject"), {"subject": subject}
        )


async def _until_someone_waits_for_the_row(session: WriteSession) -> None:
    while True:
        if await session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            return
        await asyncio.sleep(0.05)
