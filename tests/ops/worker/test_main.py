"""The worker as a process: one sentence when it cannot start, an orderly end when it is told to stop."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from kit.embedded import ServerUrls
from kit.embedded.ports import free_port

ROOT = Path(__file__).parents[3]


def _environment(servers: ServerUrls, port: int, **changes: str) -> dict[str, str]:
    own = {"HEALTH_PORT": str(port), "PROVIDER_URL": "http://127.0.0.1:1", "PROVIDER_API_KEY": "key"}
    return os.environ | servers.as_environment() | own | changes


def _start(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops.worker"], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )


def _status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return int(answer.status)
    except OSError:
        return 0


def test_it_is_ready_shows_its_metrics_and_ends_when_told(servers: ServerUrls) -> None:
    port = free_port()
    process = _start(_environment(servers, port))
    try:
        deadline = time.monotonic() + 60
        while _status(port, "/readyz") != 200:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
        assert "floodgate_payouts_due " in metrics
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=15)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert b"worker_stopped" in log


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PROVIDER_URL": ""}, "PROVIDER_URL"),
        ({"PROVIDER_API_KEY": ""}, "PROVIDER_API_KEY"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"REDIS_BROKER_URL": "nowhere"}, "REDIS_BROKER_URL"),
    ],
)
def test_a_start_that_cannot_be_is_one_sentence(
    servers: ServerUrls, changes: dict[str, str], words: str
) -> None:
    process = _start(_environment(servers, free_port(), **changes))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    lines = [line for line in error.decode().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, lines
    assert words in lines[0]
