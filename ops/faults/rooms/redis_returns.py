"""R2: Redis dies and comes back with everything, without its last moments, as an old dump, or with nothing.

Whatever it believes, it is another server process than the one that was loaded, so it says no until the repair has
loaded it from the rows.
"""

import os
from typing import Final

from ops.faults.controls import without_the_ledgers_word
from ops.faults.matrix import FaultRow, Found, Ground, Trial
from ops.faults.ownredis import OwnFault, OwnRedis, hold_on_its_own, on_its_own
from ops.faults.room import UNITS, Room


async def _intact(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    return await _back(redis, f"killed when {served} were served; its append-only file was left alone")


async def _cut_short(room: Room, redis: OwnRedis) -> str:
    """What the last moments wrote is missing, the middle of a command at the end: as after a power cut."""
    await room.crowd.serves(UNITS // 10)
    known = redis.log_file().stat().st_size
    served = await room.middle()
    await redis.kill()
    path = redis.log_file()
    written = path.stat().st_size
    kept = min(written - 1, known + room.dice.randint(1, 40))
    os.truncate(path, kept)
    return await _back(
        redis, f"killed when {served} were served; {written - kept} of {written} bytes of its log lost"
    )


async def _old_dump(room: Room, redis: OwnRedis) -> str:
    await room.crowd.serves(UNITS // 10)
    early = room.crowd.served
    old = room.ground.folder / "yesterday.rdb"
    await redis.dump(old)
    served = await room.middle()
    await redis.kill()
    redis.come_back_with(old)
    return await _back(
        redis, f"killed when {served} were served; back with a dump of when {early} had been", keys=True
    )


async def _nothing(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    await redis.kill()
    redis.come_back_with(None)
    return await _back(redis, f"killed when {served} were served; back without any file")


async def _back(redis: OwnRedis, told: str, *, keys: bool = False) -> str:
    """Starts it again; nothing to tell where it came back with something else than it should have."""
    await redis.start()
    found = int(await redis.direct.dbsize())
    return f"{told}, {found} keys when it was back" if found or not keys else ""


def _without_guard(fault: OwnFault) -> Trial:
    async def control(ground: Ground) -> Found:
        async with without_the_ledgers_word(ground):
            return await hold_on_its_own(ground, fault, repairing=False)

    return control


def _row(name: str, what: str, what_zh: str, fault: OwnFault) -> FaultRow:
    return FaultRow(f"R2.{name}", what, what_zh, "room", on_its_own(fault), _without_guard(fault))


ROWS: Final = (
    _row("restart_log_intact", "Redis is killed and comes back with its append-only file",
         "Redis 被杀后带着完整的 AOF 回来", _intact),
    _row("restart_log_cut_short", "Redis comes back without the last moments of its append-only file",
         "Redis 回来时 AOF 缺少最后片刻", _cut_short),
    _row("restart_old_dump", "Redis comes back as an old dump", "Redis 以旧的快照回来", _old_dump),
    _row("restart_empty", "Redis comes back with nothing", "Redis 回来时空空如也", _nothing),
)  # fmt: skip
