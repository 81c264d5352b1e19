"""pgbouncer in transaction mode before the tests' PostgreSQL: whoever begins a transaction gets any of its few sessions."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from kit.embedded.leftovers import end
from kit.embedded.ports import free_port, is_taken

TOOLS = Path(__file__).resolve().parent.parent / "var" / "tools"
START_SECONDS_MAX = 20.0
SESSIONS = 2  # fewer than clients, more than one: so a client meets another session than its last
# What processes without POSTGRES_POOLED say of their sessions; with it in the list the pooler keeps silent about it.
IGNORED = (
    "statement_timeout,idle_in_transaction_session_timeout,client_connection_check_interval,idle_session_timeout,"
    "default_transaction_read_only,plan_cache_mode,enable_seqscan,enable_bitmapscan,enable_hashjoin,enable_mergejoin"
)


def pgbouncer() -> str | None:
    """Its path: on the PATH, or where tests/install_tools.sh has put it."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{TOOLS}:/usr/sbin")


class Pooler:
    """One pgbouncer, its files in `folder`."""

    def __init__(self, folder: Path, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._folder, self._name = folder, parts.path.strip("/")
        self._host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
        self._place = f"host={self._host} port={parts.port or 5432} user={parts.username or 'postgres'}"
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{self._name}"

    def start(self) -> None:
        configuration = self._folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n{self._name} = {self._place}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self._port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            f"default_pool_size = {SESSIONS}\nmax_client_conn = 200\nignore_startup_parameters = {IGNORED}\n",
            encoding="utf-8",
        )
        program = pgbouncer()
        assert program is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LD_LIBRARY_PATH": str(TOOLS / "lib")},
                # It does not run as root, and must reach the server's socket.
                user=Path(self._host).owner() if os.getuid() == 0 and self._host.startswith("/") else None,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not is_taken("127.0.0.1", self._port):
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        end(self._process.pid, signal.SIGTERM)
        self._process.wait()
