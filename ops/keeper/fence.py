"""Fencing: a leader that does not know yet that it was replaced cannot write any more.

A process may stall (paused, swapped out, cut off) and wake up after another has taken over. Its advisory lock is gone,
but it has not noticed; the number it carries is what refuses it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select, text

from kit.postgres import Postgres, WriteSession
from ops.models import Duty as DutyRow

# A leader that stalls inside a transaction holds its row FOR SHARE; PostgreSQL ends such a transaction after this, so
# that the next leader can number itself within the ten seconds a takeover may take.
STALLED_SECONDS_MAX = 4


class LeadershipLost(Exception):
    """Another keeper leads this duty now, or the session that held the lock is gone; nothing was written."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The number of one leadership of one duty; a later leadership has a greater one."""

    duty: str
    number: int


async def check_fence(session: WriteSession, fence: Fence) -> None:
    """Holds the duty's number still until the caller's transaction ends. Raises `LeadershipLost` for an older fence."""
    current = await session.scalar(
        select(DutyRow.fence).where(DutyRow.duty == fence.duty).with_for_update(read=True)
    )
    if current != fence.number:
        raise LeadershipLost(fence.duty)


@asynccontextmanager
async def fenced_unit_of_work(postgres: Postgres, fence: Fence) -> AsyncIterator[WriteSession]:
    """A unit of work that commits only while `fence` is the newest. Raises `LeadershipLost`, `Unavailable`."""
    async with postgres.unit_of_work() as session:
        await session.execute(
            text(f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_SECONDS_MAX}s'")
        )
        await check_fence(session, fence)
        yield session
