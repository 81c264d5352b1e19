"""D1 and D2: a COMMIT goes missing on its way there or back, and PostgreSQL is slow.

What was acknowledged is committed; an outcome that was not heard is read back under the locks it was sent under.
"""

from typing import Final

from kit.embedded.wire import Mishap, Wire
from ops.faults.controls import without_reading_back
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.process import Ways
from ops.faults.room import Room
from ops.faults.rooms.wires import late, mishaps

ASK_SECONDS: Final = 0.4  # how long bystanders keep asking while something is broken
DELAY_SECONDS: Final = 0.1


async def _break_commits(ground: Ground, mishap: Mishap, what: str, *, repairing: bool = True) -> Found:
    async with Wire(ground.database_url) as wire:

        async def inject(room: Room) -> str:
            return await mishaps(
                room, wire, mishap, what, asked=b"COMMIT", times=(1, 4), ask_seconds=ASK_SECONDS
            )

        return await hold(ground, inject, Ways([wire.url], [ground.redis_url]), repairing=repairing)


async def _commit_reply_lost(ground: Ground) -> Found:
    return await _break_commits(ground, "lost_reply", "COMMITs carried out and not heard of")


async def _commit_reply_lost_and_not_read_back(ground: Ground) -> Found:
    async with without_reading_back(ground):
        return await _break_commits(ground, "lost_reply", "COMMITs not heard of", repairing=False)


async def _commit_reset(ground: Ground) -> Found:
    return await _break_commits(ground, "reset", "COMMITs reset before they arrived")


async def _slow(ground: Ground) -> Found:
    async with Wire(ground.database_url) as wire:

        async def inject(room: Room) -> str:
            return await late(room, wire, DELAY_SECONDS, ask_seconds=ASK_SECONDS)

        return await hold(ground, inject, Ways([wire.url], [ground.redis_url]))


ROWS: Final = (
    FaultRow("D1.commit_reply_lost", "the connection breaks after COMMIT was carried out",
             "COMMIT 已执行而连接断开", "room", _commit_reply_lost,
             _commit_reply_lost_and_not_read_back),
    FaultRow("D1.commit_reset", "the connection breaks before COMMIT arrives",
             "COMMIT 到达之前连接断开", "room", _commit_reset),
    FaultRow("D2.slow", "each answer of PostgreSQL is 100 ms late",
             "PostgreSQL 的每个回复迟到 100 毫秒", "room", _slow),
)  # fmt: skip
