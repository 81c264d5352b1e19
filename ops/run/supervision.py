"""supervisord: starts the processes, starts them again when they die, keeps and rotates their logs.

It runs in a session of its own, so that Ctrl-C reaches only `floodgate run`, which then stops everything in order.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from kit.embedded.leftovers import end, end_leftover
from kit.errors import StartRefused
from ops.run.plan import RunPlan
from ops.run.programs import FOLDER_MARK, Program

SOCKET_PATH_MAX: Final = 100  # Unix socket paths end at 108 bytes
START_SECONDS_MAX: Final = 15.0
STOP_SECONDS_MAX: Final = 40.0  # twice the longest drain of a process
STOP_WAIT_SECONDS: Final = 20  # the longest drain: a worker finishes what it has begun

_SUPERVISORD = """\
[supervisord]
nodaemon=true
silent=true
logfile={logs}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={folder}/supervisord.pid
childlogdir={logs}

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# A process that exits within three seconds failed to start and is tried again with growing pauses, for half an hour:
# longer than any server of ours is away in a demo.
_PROGRAM = """
[program:{name}]
command={python} -m {module}
directory={directory}
environment={environment}
autorestart=true
startsecs=3
startretries=60
stopsignal=TERM
stopwaitsecs={stop_wait_seconds}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A supervised process now; `pid` 0 while it does not run."""

    name: str
    pid: int
    state: str
    exit_status: int


def configuration(plan: RunPlan, programs: Sequence[Program], socket: Path) -> str:
    """The configuration file. Secrets are not in it: they come by the environment of supervisord itself."""
    folder, logs = _literal(plan.folder.resolve()), _literal(plan.logs.resolve())
    parts = [_SUPERVISORD.format(folder=folder, logs=logs, socket=_literal(socket))]
    for program in programs:
        environment = {"HEALTH_PORT": str(plan.ports.health(program.place)), **program.environment}
        parts.append(
            _PROGRAM.format(
                name=program.name,
                python=_literal(sys.executable),
                module=program.module,
                directory=_literal(Path.cwd()),
                environment=",".join(f'{key}="{_literal(value)}"' for key, value in environment.items()),
                stop_wait_seconds=STOP_WAIT_SECONDS,
                logs=logs,
            )
        )
    return "".join(parts)


def _literal(text: object) -> str:
    """supervisord expands `%`."""
    return str(text).replace("%", "%%")


class Supervisor:
    """One supervisord with the processes of one run."""

    def __init__(self, plan: RunPlan, programs: Sequence[Program]) -> None:
        self._plan = plan
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = plan.folder.resolve() / "supervisor.sock"
        if len(str(self._socket)) > SOCKET_PATH_MAX:
            self._socket = Path(tempfile.mkdtemp(prefix="floodgate-")) / "supervisor.sock"
        self._seen: set[int] = set()

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def start(self, environment: Mapping[str, str]) -> None:
        """Starts everything. Raises `StartRefused` when supervisord itself does not come up."""
        self._plan.logs.mkdir(parents=True, exist_ok=True)
        file = self._plan.folder / "supervisord.conf"
        file.write_text(configuration(self._plan, self._programs, self._socket), encoding="utf-8")
        with (self._plan.logs / "supervisord.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("supervisord")), "-c", str(file.resolve())],
                cwd=self._plan.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StartRefused(
                    f"supervisord did not start; its log is {self._plan.logs / 'supervisord.log'}."
                )
            time.sleep(0.05)

    def states(self) -> dict[str, ProcessState]:
        """Every process now; empty while supervisord does not answer."""
        try:
            with ServerProxy("http://floodgate", transport=self._transport()) as proxy:
                found: Any = proxy.supervisor.getAllProcessInfo()
        except (OSError, Fault):
            return {}
        states = {
            info["name"]: ProcessState(
                info["name"], int(info["pid"]), info["statename"], int(info["exitstatus"])
            )
            for info in found
        }
        self._seen |= {state.pid for state in states.values() if state.pid}
        return states

    def kill(self, name: str) -> int:
        """SIGKILL for one process; its pid, 0 when it was not running."""
        state = self.states().get(name)
        if state is None or state.pid == 0:
            return 0
        os.kill(state.pid, signal.SIGKILL)
        return state.pid

    def stop(self) -> None:
        """Stops every process and supervisord, bounded; what does not stop is killed, by pid."""
        if self._process is None:
            return
        self.states()
        # Told to end, supervisord stops one process after the other; so all are told first, at once.
        with suppress(OSError, Fault), ServerProxy("http://floodgate", transport=self._transport()) as proxy:
            proxy.supervisor.stopAllProcesses(False)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in self._seen & set(marked(self._plan.folder)):
            end(pid, signal.SIGKILL)
        self._process = None
        self._socket.unlink(missing_ok=True)

    def _transport(self) -> Any:
        return SupervisorTransport(None, None, f"unix://{self._socket}")


def marked(folder: Path) -> list[int]:
    """Processes that carry the mark of a run in `folder` in their environment."""
    mark = f"{FOLDER_MARK}={folder.resolve()}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


def end_leftovers(folder: Path) -> int:
    """Ends what a killed run left: its supervisord first, which stops its own, then whatever still bears its mark."""
    ended = int(end_leftover(folder / "supervisord.pid", folder))
    for pid in marked(folder):
        end(pid)
        ended += 1
    return ended
