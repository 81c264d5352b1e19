"""The whole system as its own processes, in a folder and on ports of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.embedded.leftovers import end
from kit.embedded.ports import free_ports_in_a_row
from ops.run.supervision import marked

RUN_SECONDS_MAX = 280
# Seconds pass between choosing a stage's ports and listening on them, while embedded servers beside it choose theirs: so
# these lie where no server chooses.
FIRST_PORT, LAST_PORT = 10_000, 17_999
PORTS = 9
SERVER_VARIABLES = (
    "DATABASE_URL",
    "REDIS_QUEUE_URL",
    "REDIS_STOCK_URL",
    "REDIS_LIMITS_URL",
    "REDIS_BROKER_URL",
)


@dataclass
class Stage:
    """A folder and ports for one run."""

    folder: Path
    environment: dict[str, str]

    def start(self, **variables: str) -> subprocess.Popen[str]:
        # A shell's background job ignores Ctrl-C and so would what it starts; a signal that is handled here is not.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, "-m", "ops", "run", "--folder", str(self.folder)],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, **variables: str) -> tuple[int, str]:
        process = self.start(**variables)
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate(timeout=60)
            raise AssertionError(output) from None
        return process.returncode, output

    def stay_up(self, **variables: str) -> subprocess.Popen[str]:
        """Returns once the report is printed and everything stays up."""
        process = self.start(ONCE="", **variables)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                return process
        raise AssertionError("".join(said))

    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    def servers_alive(self) -> list[int]:
        """Processes that work in the folders of this run's servers."""
        alive = []
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if cwd.readlink().is_relative_to(self.folder.resolve()):
                    alive.append(int(cwd.parent.name))
            except OSError:
                continue
        return alive

    def assert_clean(self, code: int, output: str) -> None:
        """Every row holds, but for the one that says how fast this machine was while other tests ran on it."""
        assert (self.folder / "report.json").exists(), output
        broken = [row["id"] for row in self.report()["rows"] if not row["holds"]]
        assert broken in ([], ["duration_seconds"]), output
        assert code == bool(broken), output

    def left(self) -> set[int]:
        """What still runs of this run, but for `floodgate run` itself."""
        return {*marked(self.folder), *self.servers_alive()}

    def assert_nothing_left(self) -> None:
        assert self.left() == set()


@contextmanager
def a_stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="fg-run-"))
    folder.chmod(0o755)
    first = free_ports_in_a_row(PORTS, first_port=FIRST_PORT, last_port=LAST_PORT)
    environment = {name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES}
    environment |= {
        "ONCE": "1",
        "CROWD": "150",
        "GATEWAY_PORT": str(first),
        "CONSOLE_PORT": str(first + 1),
        "SIMULATOR_PORT": str(first + 2),
        "RUN_HEALTH_PORT_BASE": str(first + 3),
    }
    stage = Stage(folder, environment)
    try:
        yield stage
    finally:
        for pid in stage.left():
            end(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return False
        time.sleep(0.1)
    return True
