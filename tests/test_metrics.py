"""Every metric that any process exports is one that Prometheus's own linter accepts."""

import importlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest

ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "flashsale", "queueing", "rewards", "ops", "kit")


def promtool() -> str:
    """The path of promtool; skips at home and fails in CI where it is missing."""
    found = shutil.which("promtool") or shutil.which("promtool", path=str(ROOT / "var" / "tools"))
    if found is None:
        message = "promtool is missing: install Prometheus (Debian: apt-get install prometheus) and run again"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def metrics_modules() -> list[str]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("metrics.py")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]


def complaints(exposition: bytes) -> str:
    """What promtool says of `exposition`; empty when it has nothing to say."""
    run = subprocess.run([promtool(), "check", "metrics"], input=exposition, capture_output=True, check=False)
    return (run.stdout + run.stderr).decode() if run.returncode else ""


def test_promtool_accepts_every_metric_of_every_room() -> None:
    modules = metrics_modules()
    assert len(modules) >= 5
    for module in modules:
        importlib.import_module(module)
    exposition = generate_latest(REGISTRY)
    assert b"floodgate_" in exposition
    assert complaints(exposition) == ""


def test_promtool_would_complain_about_a_badly_named_metric() -> None:
    assert "_total" in complaints(b"# HELP bad Counts.\n# TYPE bad counter\nbad 1\n")
