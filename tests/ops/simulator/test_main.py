"""The simulator as a process: it remembers through a kill, ends when told, and says in one sentence why it cannot start."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from kit.embedded.ports import free_port
from tests.ops.simulator.running import API_KEY, WEBHOOK_SECRET

ROOT = Path(__file__).parents[3]


def _environment(folder: Path, port: int, **changes: str) -> dict[str, str]:
    own = {
        "SIMULATOR_PORT": str(port), "SIMULATOR_BOOK": str(folder / "book.sqlite3"), "HEALTH_PORT": str(free_port()),
        "SIMULATOR_WEBHOOK_URL": "http://127.0.0.1:1", "PROVIDER_API_KEY": API_KEY,
        "PROVIDER_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }  # fmt: skip
    return os.environ | own | changes


def _start(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops.simulator"], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )


def _call(port: int, method: str, path: str, body: object = None) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                found: dict[str, object] = json.loads(answer.read())
                return found
        except ConnectionError:
            assert time.monotonic() < deadline
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionError), error
            assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_killed_simulator_remembers_and_a_told_one_ends_well(tmp_path: Path) -> None:
    port = free_port()
    payment = {"payment_id": str(uuid4()), "amount_minor": 1, "currency": "CNY", "title": "t"}
    process = _start(_environment(tmp_path, port))
    try:
        _call(port, "POST", "/payments", payment)
        _call(port, "POST", f"/pay/{payment['payment_id']}", {"outcome": "succeed"})
    finally:
        process.kill()
        process.communicate()
    process = _start(_environment(tmp_path, port))
    try:
        book = _call(port, "GET", "/book")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert [entry["key"] for entry in book["entries"]] == [payment["payment_id"]]  # type: ignore[index,attr-defined]
    assert book["deliveries"] == {"pending": 1}
    assert process.returncode == 0
    assert b"simulator_stopped" in log


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PROVIDER_API_KEY": ""}, "PROVIDER_API_KEY"),
        ({"PROVIDER_WEBHOOK_SECRET": "secret"}, "PROVIDER_WEBHOOK_SECRET"),
        ({"SIMULATOR_BOOK": "/proc/nowhere/book.sqlite3"}, "SIMULATOR_BOOK"),
    ],
)
def test_a_start_that_cannot_be_is_one_sentence(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    process = _start(_environment(tmp_path, free_port(), **changes))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    (line,) = error.decode().splitlines()
    assert words in line
