"""The whole system as its own processes: a small crowd, a killed process, bad starts, an orderly end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.embedded.leftovers import end
from kit.embedded.ports import free_port, free_ports_in_a_row
from ops.run.supervision import marked

RUN_SECONDS_MAX = 280
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

    def assert_nothing_left(self) -> None:
        assert marked(self.folder) == []
        assert self.servers_alive() == []


@pytest.fixture
def stage() -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="fg-run-"))
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES}
    environment |= {
        "ONCE": "1",
        "CROWD": "150",
        "GATEWAY_PORT": str(free_port()),
        "CONSOLE_PORT": str(free_port()),
        "SIMULATOR_PORT": str(free_port()),
        "RUN_HEALTH_PORT_BASE": str(free_ports_in_a_row(6)),
    }
    stage = Stage(folder, environment)
    yield stage
    for pid in {*marked(folder), *stage.servers_alive()}:
        end(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.run
@pytest.mark.timeout(RUN_SECONDS_MAX + 60)
@pytest.mark.parametrize("killed", ["gateway", "worker", "keeper"])
def test_a_process_killed_in_mid_sale_comes_back_and_every_promise_holds(stage: Stage, killed: str) -> None:
    code, output = stage.run(KILL=killed, KILL_AFTER_SECONDS="2")
    stage.assert_clean(code, output)
    assert f"kill -9 {killed}" in output, output
    rows = {row["id"]: row for row in stage.report()["rows"]}
    assert rows["killed_and_back"]["holds"]
    assert rows["units_held_or_confirmed"]["value"] == 22
    assert rows["grants_paid_once"]["value"] == 0
    stage.assert_nothing_left()


@pytest.mark.run
@pytest.mark.timeout(2 * RUN_SECONDS_MAX + 60)
def test_a_second_run_in_the_same_folder_holds_a_sale_of_its_own_while_the_provider_misbehaves(
    stage: Stage,
) -> None:
    code, output = stage.run(CROWD="40")
    stage.assert_clean(code, output)
    first = stage.report()["sale_id"]
    code, output = stage.run(CROWD="60", FAULTS="1")
    stage.assert_clean(code, output)
    assert stage.report()["sale_id"] != first
    stage.assert_nothing_left()


@pytest.mark.run
@pytest.mark.timeout(RUN_SECONDS_MAX)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_leaves_nothing_behind(stage: Stage, number: signal.Signals) -> None:
    process = stage.start(CROWD="0", ONCE="")
    assert process.stdout is not None
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    assert stage.servers_alive() != []
    process.send_signal(number)
    process.communicate(timeout=90)
    assert process.returncode == 0
    stage.assert_nothing_left()


@pytest.mark.run
@pytest.mark.timeout(RUN_SECONDS_MAX)
def test_what_a_killed_run_left_is_ended_by_the_next_one(stage: Stage) -> None:
    process = stage.start(CROWD="0", ONCE="")
    assert process.stdout is not None
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    left = {*marked(stage.folder), *stage.servers_alive()}
    assert len(left) > 6
    code, output = stage.run(CROWD="0")
    stage.assert_clean(code, output)
    assert not [pid for pid in left if _is_alive(pid)]
    stage.assert_nothing_left()


def test_a_taken_port_is_one_sentence_and_exit_code_2(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", int(stage.environment["GATEWAY_PORT"]))):
        code, output = stage.run()
    assert code == 2
    assert output.splitlines()[-1].endswith("set GATEWAY_PORT to a free port.")
    assert "Traceback" not in output
    stage.assert_nothing_left()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://here/there", "DATABASE_URL must look like postgresql://"),
        (
            "DATABASE_URL",
            "postgresql://me:secret@127.0.0.1:1/none",
            "No PostgreSQL answers at 127.0.0.1:1/none",
        ),
        ("REDIS_QUEUE_URL", "localhost:6379", "REDIS_QUEUE_URL must look like redis://"),
        ("REDIS_BROKER_URL", "redis://:secret@127.0.0.1:1/0", "No Redis answers at 127.0.0.1:1/0"),
    ],
)
def test_a_wrong_or_missing_server_is_one_sentence_and_exit_code_2(
    stage: Stage, variable: str, value: str, sentence: str
) -> None:
    code, output = stage.run(**{variable: value})
    assert code == 2
    assert output.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in output
    assert "secret" not in output
    stage.assert_nothing_left()


def test_a_missing_sale_file_is_one_sentence_and_exit_code_2(stage: Stage) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ops", "run", "--sale-file", "nowhere.yaml"],
        env=stage.environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr == "There is no sale file nowhere.yaml: name one with --sale-file.\n"


def _is_alive(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return False
        time.sleep(0.1)
    return True
