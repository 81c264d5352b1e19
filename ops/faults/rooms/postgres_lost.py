"""D1: PostgreSQL restarts, in order or at once, or its standby takes over.

What was acknowledged is committed, and the sale goes on by itself.
"""

import asyncio
import signal
from dataclasses import replace
from typing import Final

from kit.embedded.standby import EmbeddedPair
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.ownpostgres import OwnPostgres, on_its_own
from ops.faults.process import Ways
from ops.faults.room import Room
from ops.migrate import migrate

ASK_SECONDS: Final = 0.4
_TIMELINE: Final = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
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


async def _fail_over(ground: Ground) -> Found:
    """The primary is killed and its synchronous standby promoted; the dead one stays away."""
    pair = EmbeddedPair(ground.folder / "pair")
    url = await asyncio.to_thread(pair.start)
    try:
        await asyncio.to_thread(migrate, url)

        async def inject(room: Room) -> str:
            served = await room.middle()
            dead = await asyncio.to_thread(pair.kill_primary)
            await asyncio.to_thread(pair.promote)
            timeline = await asyncio.to_thread(pair.ask, pair.primary, _TIMELINE)
            return f"{dead} killed at {served} served, {pair.primary} promoted to timeline {timeline}"

        there = replace(ground, database_url=url)
        return await hold(there, inject, Ways.straight(there))
    finally:
        await asyncio.to_thread(pair.stop)


ROWS: Final = (
    FaultRow("D1.restart_fast", "PostgreSQL is restarted in order",
             "PostgreSQL 正常重启", "room", on_its_own(_restart_fast)),
    FaultRow("D1.restart_immediate", "PostgreSQL is stopped at once and recovers from its log",
             "PostgreSQL 立即停机后从日志恢复", "room", on_its_own(_restart_immediate)),
    FaultRow("D1.failover", "the primary dies and its synchronous standby is promoted",
             "主库宕机，同步备库升主", "room", _fail_over),
)  # fmt: skip
