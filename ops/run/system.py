"""The running system: servers, migrations and supervised processes, started together and stopped together."""

import os
import resource
import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from kit.embedded import Servers, ServerUrls
from kit.errors import StartRefused
from kit.settings import PostgresSettings, RedisSettings, read_settings
from ops.migrate import migrate
from ops.run.plan import RunPlan
from ops.run.programs import PROGRAMS, Program, shared_environment
from ops.run.reaching import reach_named_servers
from ops.run.supervision import Supervisor, end_leftovers, marked
from ops.run.topology import Failovers, refuse_topology

READY_SECONDS_MAX: Final = 60.0  # two cores import six Python processes at once
OPEN_FILES: Final = 65_536  # a crowd of twenty thousand needs more than the usual 1,024
FAILED_STATES: Final = frozenset({"BACKOFF", "EXITED", "FATAL"})
LOG_TAIL_BYTES: Final = 4096

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """What the rest of a run needs to know of the system."""

    urls: ServerUrls
    environment: dict[str, str]
    supervisor: Supervisor
    server_pids: dict[str, int]
    failovers: Failovers | None = None


class System:
    """A context: everything is up and ready inside it, and nothing of it is left after it.

    Raises `StartRefused` with one sentence.
    """

    def __init__(self, plan: RunPlan, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._stack = ExitStack()

    def __enter__(self) -> Running:
        with self._stack:
            running = self._start()
            self._stack = self._stack.pop_all()
        return running

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> Running:
        plan = self._plan
        plan.refuse_foreign_redis(read_settings(RedisSettings))
        refuse_topology(plan, read_settings(PostgresSettings), read_settings(RedisSettings))
        reach_named_servers()
        if not marked(plan.folder):  # else a leftover of our own holds them, and is ended below
            plan.ports.refuse_taken()
        servers = Servers(plan.folder / "servers", clustered=plan.clustered)
        self._say("clustered_servers" if plan.clustered else "servers")
        urls = self._stack.enter_context(servers)
        # Only now: the folder is ours alone, so what still bears its mark is a leftover and not another run.
        end_leftovers(plan.folder)
        plan.ports.refuse_taken()
        self._say("migrations")
        migrate(urls.database)
        _raise_open_files()
        environment = shared_environment(plan, urls.as_environment())
        _write_environment(plan, environment)
        self._stack.callback(plan.environment_file.unlink, missing_ok=True)  # its secrets end with this run
        supervisor = Supervisor(plan, PROGRAMS)
        self._say("processes")
        self._stack.callback(supervisor.stop)
        supervisor.start(environment)
        for program in PROGRAMS:
            wait_until_ready(plan, supervisor, program)
        failovers = Failovers(servers.cluster, servers.pair) if servers.cluster and servers.pair else None
        return Running(urls, environment, supervisor, dict(servers.pids), failovers)


def wait_until_ready(plan: RunPlan, supervisor: Supervisor, program: Program) -> None:
    """Returns once `program` takes traffic. Raises `StartRefused` with the sentence it left in its log."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not is_ready(plan, program):
        state = supervisor.states().get(program.name)
        failed = state is not None and state.state in FAILED_STATES
        if failed or time.monotonic() > deadline:
            log = plan.logs / f"{program.name}.log"
            raise StartRefused(
                f"{program.name} does not start: {_last_words(plan, program)} (its log: {log})"
            )
        time.sleep(0.1)


def is_ready(plan: RunPlan, program: Program) -> bool:
    """Whether the process says that it can take traffic."""
    url = f"http://127.0.0.1:{plan.ports.health(program.place)}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _last_words(plan: RunPlan, program: Program) -> str:
    """The last line of its log that is not one of the structured ones: what it said when it refused to start."""
    try:
        tail = (plan.logs / f"{program.name}.log").read_bytes()[-LOG_TAIL_BYTES:]
    except OSError:
        return "it left no log"
    lines = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith("{")]
    return (plain or lines or ["it left an empty log"])[-1]


def _write_environment(plan: RunPlan, environment: Mapping[str, str]) -> None:
    """For commands in another terminal. It holds this run's secrets, so it is the user's alone."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    plan.environment_file.unlink(missing_ok=True)
    with open(os.open(plan.environment_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - born private
        file.writelines(lines)


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
