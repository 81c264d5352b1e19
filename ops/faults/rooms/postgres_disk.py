"""D4: the disk of PostgreSQL is full. Nothing is acknowledged that was not written, and it goes on by itself once there is
room again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from ops.faults.matrix import FaultRow, Found, Ground, NotRun
from ops.faults.ownpostgres import OwnPostgres, hold_on, own_postgres
from ops.faults.room import Room

ASK_SECONDS: Final = 0.4
ASKS_MAX: Final = 5  # until PostgreSQL needs a page that is not there
SMALL_DISK_MIB: Final = 160  # a copy of the migrated server takes 50, its log as much again
_CONFIGURATION: Final = "max_wal_size = 64MB\nmin_wal_size = 32MB\n"


async def _disk_full(ground: Ground) -> Found:
    disk = (ground.folder / "disk").resolve()
    async with _small_disk(disk), own_postgres(ground, disk / "postgres", _CONFIGURATION) as postgres:

        async def fill(room: Room, postgres: OwnPostgres) -> str:
            served = await room.middle()
            ballast = disk / "ballast"
            before = _told_full(postgres)
            await asyncio.to_thread(_fill, ballast)
            for _ in range(ASKS_MAX):
                await room.ask(ASK_SECONDS)
                if _told_full(postgres) > before:
                    break
            ballast.unlink()
            refused = _told_full(postgres) - before
            return f"no space left on the disk at {served} served, told {refused} times" if refused else ""

        return await hold_on(ground, postgres, fill)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)


def _told_full(postgres: OwnPostgres) -> int:
    return postgres.log.read_text(encoding="utf-8", errors="replace").count("No space left on device")


@asynccontextmanager
async def _small_disk(place: Path) -> AsyncIterator[None]:
    """A disk in memory. Raises `NotRun` where nothing may be mounted."""
    await asyncio.to_thread(place.mkdir)
    size = f"size={SMALL_DISK_MIB}m,mode=755"
    if await _run("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)):
        raise NotRun("a small disk has to be mounted (tmpfs), which takes root's rights on Linux")
    try:
        yield
    finally:
        await _run("umount", str(place))


async def _run(*words: str) -> int:
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return 1
    return await process.wait()


ROWS: Final = (
    FaultRow("D4.disk_full", "the disk of PostgreSQL is full", "PostgreSQL 磁盘已满", "room", _disk_full),
)
