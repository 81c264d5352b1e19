"""D1: PostgreSQL restarts, in order or at once. What was acknowledged is committed, and the sale goes on by itself."""

import signal
from typing import Final

from ops.faults.matrix import FaultRow
from ops.faults.ownpostgres import OwnPostgres, on_its_own
from ops.faults.room import Room

ASK_SECONDS: Final = 0.4
_OURS: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'floodgate'"


async def _restart(room: Room, postgres: OwnPostgres, how: signal.Signals) -> str:
    served = await room.middle()
    connections = await postgres.ask(_OURS)
    await postgres.stop(how)
    await postgres.start()
    return f"{how.name} at {served} served, {connections} connections ended" if connections else ""


async def _restart_fast(room: Room, postgres: OwnPostgres) -> str:
    return await _restart(room, postgres, signal.SIGINT)


async def _restart_immediate(room: Room, postgres: OwnPostgres) -> str:
    return await _restart(room, postgres, signal.SIGQUIT)


ROWS: Final = (
    FaultRow("D1.restart_fast", "PostgreSQL is restarted in order",
             "PostgreSQL 正常重启", "room", on_its_own(_restart_fast)),
    FaultRow("D1.restart_immediate", "PostgreSQL is stopped at once and recovers from its log",
             "PostgreSQL 立即停机后从日志恢复", "room", on_its_own(_restart_immediate)),
)  # fmt: skip
