"""A Redis of one trial's own: one that a row may kill, cut short, put back to what it was, or starve."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from kit.embedded.ports import free_port
from kit.embedded.redis import EmbeddedRedis
from ops.faults.course import hold
from ops.faults.matrix import Found, Ground, Trial
from ops.faults.process import Ways
from ops.faults.room import Room

_LOG: Final = "appendonly.aof"  # where every version finds it: a newer one moves it into its own folder


class OwnRedis:
    """The server and a connection that stays beside the sale. It keeps its address through every restart."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedRedis(folder, port=free_port())
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self._server.port}/0"
        self.direct = Redis.from_url(self.url)

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        await self.direct.aclose()
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        """SIGKILL: what it had acknowledged is in its files, or with the kernel."""
        os.kill(self._server.pid, signal.SIGKILL)
        await asyncio.to_thread(self._server.stop)
        await self.direct.connection_pool.disconnect()

    async def run_id(self) -> str:
        return str((await self.info("server"))["run_id"])

    async def info(self, section: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.direct.info(section)
        return found

    async def errors(self, name: str) -> int:
        """How often this server process has answered with that error."""
        found = (await self.info("errorstats")).get(f"errorstat_{name}", {})
        return int(found.get("count", 0)) if isinstance(found, dict) else 0

    async def refused(self) -> int:
        """How many commands this server process has answered with an error, those inside scripts too."""
        return int((await self.info("stats"))["total_error_replies"])

    async def send(self, *words: str) -> None:
        """One command that the client has no name for."""
        await self.direct.execute_command(*words)  # type: ignore[no-untyped-call]

    async def follow(self, host: str, port: int) -> None:
        """From now on it is a replica of that server."""
        await self.send("REPLICAOF", host, str(port))

    async def lead(self) -> None:
        """From now on it follows nobody."""
        await self.send("REPLICAOF", "NO", "ONE")

    def log_file(self) -> Path:
        """The append-only file that grows."""
        files = sorted(self.folder.rglob("*.aof"), key=lambda path: path.stat().st_mtime)
        return next(path for path in reversed(files) if "base" not in path.name)

    async def dump(self, to: Path) -> None:
        """Writes a dump of this moment into `to`."""
        await self.send("SAVE")
        shutil.copy(self.folder / "dump.rdb", to)

    def come_back_with(self, dump: Path | None) -> None:
        """Its files become those of an older moment, or none at all; to be called while it does not run."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.suffix in {".aof", ".rdb", ".manifest"}:
                path.unlink()
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        if dump is not None:
            shutil.copy(dump, self.folder / _LOG)  # an append-only file may begin with a dump


@asynccontextmanager
async def own_redis(ground: Ground, name: str = "redis") -> AsyncIterator[OwnRedis]:
    """A server below the trial's folder for the length of the block."""
    redis = OwnRedis(ground.folder / name)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()


OwnFault = Callable[[Room, OwnRedis], Awaitable[str]]


def on_its_own(fault: OwnFault) -> Trial:
    """A trial whose processes have a Redis of its own."""

    async def trial(ground: Ground) -> Found:
        return await hold_on_its_own(ground, fault)

    return trial


async def hold_on_its_own(ground: Ground, fault: OwnFault, *, repairing: bool = True) -> Found:
    """See `ops.faults.course.hold`."""
    async with own_redis(ground) as redis:

        async def inject(room: Room) -> str:
            return await fault(room, redis)

        return await hold(ground, inject, Ways([ground.database_url], [redis.url]), repairing=repairing)
