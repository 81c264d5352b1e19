"""What a killed run left behind is ended; what belongs to somebody else is left alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.embedded.leftovers import FolderLock, end, end_leftover, read_pid, works_in
from kit.errors import StartRefused

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _start(started: list[subprocess.Popen[bytes]], command: list[str], folder: Path) -> int:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
    started.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    return process.pid


def test_a_leftover_that_works_in_the_folder_is_ended(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(f"{_start(started, SLEEPER, tmp_path)}\n")
    assert end_leftover(pid_file, tmp_path)
    assert started[0].wait(5) != 0
    assert not pid_file.exists()


def test_a_process_of_somebody_else_with_the_same_pid_is_left_alone(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    pid_file = ours / "server.pid"
    pid_file.write_text(f"{_start(started, SLEEPER, theirs)}\n")
    assert not end_leftover(pid_file, ours)
    assert started[0].poll() is None
    assert not pid_file.exists()


def test_a_process_that_does_not_listen_is_killed(
    tmp_path: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.embedded.leftovers.END_SECONDS_MAX", 0.2)
    end(_start(started, STUBBORN, tmp_path))
    assert started[0].wait(5) == -9


@pytest.mark.parametrize("content", ["", "no number\n", "999999999\n"])
def test_a_pid_file_that_names_nobody_is_removed(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(content)
    assert not end_leftover(pid_file, tmp_path)
    assert not pid_file.exists()


def test_a_folder_without_a_pid_file_has_no_leftover(tmp_path: Path) -> None:
    assert read_pid(tmp_path / "server.pid") is None
    assert not end_leftover(tmp_path / "server.pid", tmp_path)
    assert not works_in(999_999_999, tmp_path)


def test_a_folder_serves_one_run_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(StartRefused, match="in use by process"):
        second.take()
    first.free()
    second.take()
    second.free()
