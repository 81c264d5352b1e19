"""A process that cannot start says why in one sentence and ends with 2, whatever it is."""

import os
import subprocess
import sys

import pytest

PROCESSES = ("gateway", "ops.worker", "ops.keeper", "ops.console", "ops.simulator")


@pytest.mark.parametrize("module", PROCESSES)
@pytest.mark.parametrize("variable", [("LOG_LEVEL", "loud"), ("HEALTH_PORT", "many")])
def test_a_setting_that_cannot_be_read_is_named(module: str, variable: tuple[str, str]) -> None:
    name, value = variable
    secrets = {"IDENTITY_KEYS": f"k:{'x' * 32}", "QUEUEING_KEYS": f"k:{'y' * 32}"}
    run = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, **secrets, name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert name in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
