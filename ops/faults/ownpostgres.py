"""A PostgreSQL of one trial's own: one that a row may stop, crash, demote, crowd out, or put on a full disk.

A copy of a migrated server is started in a tenth of a second; making one takes two.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import asyncpg

from kit.embedded.ports import free_port
from kit.embedded.postgres import CONFIGURATION, EmbeddedPostgres, server_class
from ops.faults.course import hold
from ops.faults.matrix import Found, Ground, Trial
from ops.faults.process import Bounds, Ways
from ops.faults.room import Room
from ops.faults.waiting import wait_until
from ops.migrate import migrate

START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 30.0
_CONFIGURATION: Final = f"""{CONFIGURATION}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
shared_buffers = 16MB
"""


class OwnPostgres:
    """The server, whose address stays the same through every restart."""

    def __init__(self, folder: Path, configuration: str = "") -> None:
        self.folder = folder
        self._configuration = configuration
        self._tools: Any = server_class()(
            folder, cleanup_mode=None
        )  # who may run it, and where its programs are
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    async def start(self) -> None:
        """Returns once it answers. Raises `TimeoutError`."""
        await asyncio.to_thread(self._launch)
        await wait_until(self._answers, START_SECONDS_MAX)

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one: no last words, and recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait, STOP_SECONDS_MAX)
            self._process = None

    async def ask(self, statement: str) -> Any:
        """The first value that a statement gives, over a connection of its own."""
        connection = await asyncpg.connect(self.url, timeout=2.0)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def copy_of(self, other: Path) -> None:
        """Its files become those of a server that does not run."""
        await asyncio.to_thread(self._copy, other)

    async def make_standby(self) -> None:
        """From its next start on it is a standby that follows nobody: what it has is all that it will have."""
        (self.folder / "standby.signal").touch()
        self._own(self.folder / "standby.signal")

    def _copy(self, other: Path) -> None:
        shutil.copytree(other, self.folder, dirs_exist_ok=True)
        for name in ("postmaster.pid", "postmaster.opts", ".handle_pids.json"):
            (self.folder / name).unlink(missing_ok=True)
        text = f"{_CONFIGURATION}port = {self._port}\n{self._configuration}"
        (self.folder / "postgresql.auto.conf").write_text(text, encoding="utf-8")
        for place, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                self._own(Path(place, name))
        self._own(self.folder)
        self.folder.chmod(0o700)

    def _own(self, path: Path) -> None:
        if self._tools.system_user is not None:  # PostgreSQL does not run as root
            shutil.chown(path, self._tools.system_user, self._tools.system_user)

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._tools.bin_path / "postgres", "-D", self.folder],
                user=self._tools.system_user,
                cwd=self._tools.bin_path,  # one that this user may enter
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _answers(self) -> bool:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return bool(await self.ask("SELECT true"))
        return False


def _template(folder: Path) -> Path:
    """A migrated server that does not run; made by the first who asks."""
    if not folder.exists():
        made = EmbeddedPostgres(folder)
        try:
            migrate(made.start())
        finally:
            made.stop()
    return folder


@asynccontextmanager
async def own_postgres(
    ground: Ground, folder: Path | None = None, configuration: str = ""
) -> AsyncIterator[OwnPostgres]:
    """A migrated server in `folder` (below the trial's own by default) for the length of the block."""
    template = await asyncio.to_thread(_template, ground.folder.parent / "postgres-template")
    postgres = OwnPostgres((folder or ground.folder / "postgres").resolve(), configuration)
    await postgres.copy_of(template)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop(signal.SIGQUIT)
        await asyncio.to_thread(shutil.rmtree, postgres.folder, ignore_errors=True)


OwnFault = Callable[[Room, OwnPostgres], Awaitable[str]]


def on_its_own(fault: OwnFault, configuration: str = "", bounds: Bounds | None = None) -> Trial:
    """A trial whose processes have a PostgreSQL of its own."""

    async def trial(ground: Ground) -> Found:
        async with own_postgres(ground, configuration=configuration) as postgres:
            return await hold_on(ground, postgres, fault, bounds)

    return trial


async def hold_on(
    ground: Ground, postgres: OwnPostgres, fault: OwnFault, bounds: Bounds | None = None
) -> Found:
    """A trial on a server that runs already."""

    async def inject(room: Room) -> str:
        return await fault(room, postgres)

    ground = replace(ground, database_url=postgres.url)
    return await hold(ground, inject, Ways.straight(ground), bounds=bounds)
