"""SIGKILL in mid-sale: one process dies without a word, and the supervisor starts it again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from kit.errors import DomainError
from kit.postgres import Postgres
from ops.models import Duty as DutyRow
from ops.run.plan import RunPlan
from ops.run.programs import PROGRAMS
from ops.run.supervision import Supervisor
from ops.run.system import is_ready

BACK_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Struck:
    """What was killed, and how many seconds it took until its successor was ready; None while it is not."""

    name: str
    back_after_seconds: float | None


async def strike(
    plan: RunPlan, supervisor: Supervisor, postgres: Postgres, say: Callable[[str], None]
) -> Struck:
    """Kills the process that `plan.kill` names (of the keepers the one that leads) and waits for its successor."""
    name = await _leading_keeper(postgres) if plan.kill == "keeper" else str(plan.kill)
    pid = await asyncio.to_thread(supervisor.kill, name)
    say(f"kill -9 {name} ({pid})")
    killed_at = time.monotonic()
    program = next(each for each in PROGRAMS if each.name == name)
    while pid and time.monotonic() < killed_at + BACK_SECONDS_MAX:
        state = (await asyncio.to_thread(supervisor.states)).get(name)
        if (
            state is not None
            and state.pid not in {0, pid}
            and await asyncio.to_thread(is_ready, plan, program)
        ):
            say(f"{name} is back ({state.pid})")
            return Struck(name, time.monotonic() - killed_at)
        await asyncio.sleep(0.2)
    return Struck(name, None)


async def _leading_keeper(postgres: Postgres) -> str:
    """The keeper that moves the frontier: its death is the one that shoppers could notice."""
    try:
        async with postgres.read() as session:
            leader = await session.scalar(select(DutyRow.leader).where(DutyRow.duty == "frontier"))
    except DomainError:
        leader = None
    return leader if leader in {program.name for program in PROGRAMS} else "keeper-1"
