"""A process that cannot start says why in one sentence and ends with 2, whatever it is."""

import os
import signal
import subprocess
import sys

import pytest

STARTS_AND_STOPS = """
import asyncio, contextlib, signal
from kit.process import sigterm_as_interrupt

async def main():
    try:
        print("started", flush=True)
        await asyncio.sleep(60)
    finally:
        print("stopped", flush=True)

signal.signal(signal.SIGINT, {sigint})
with contextlib.suppress(KeyboardInterrupt), sigterm_as_interrupt():
    asyncio.run(main())
"""

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


@pytest.mark.parametrize("sigint", ["signal.default_int_handler", "signal.SIG_IGN"])
def test_a_command_that_is_told_to_end_stops_what_it_started_also_in_the_background(sigint: str) -> None:
    command = [sys.executable, "-c", STARTS_AND_STOPS.format(sigint=sigint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[0] == "stopped\n"
    assert process.returncode == 0
