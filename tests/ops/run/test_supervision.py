"""A real supervisord: what dies comes back, what is stopped is gone, what a killed run left is ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kit.embedded.leftovers import end
from kit.errors import StartRefused
from ops.run.plan import RunPlan
from ops.run.programs import FOLDER_MARK, Program
from ops.run.supervision import Supervisor, configuration, end_leftovers, marked
from ops.run.system import is_ready, wait_until_ready
from tests.ops.run.conftest import MakePlan

SLEEPER = Program("sleeper", "tests.ops.run.sleeper", 0)


@pytest.fixture
def plan(make_plan: MakePlan) -> Iterator[RunPlan]:
    plan = make_plan()
    yield plan
    for pid in marked(plan.folder):
        end(pid, signal.SIGKILL)


def _environment(plan: RunPlan, **more: str) -> dict[str, str]:
    return {FOLDER_MARK: str(plan.folder.resolve()), **more}


def test_a_killed_process_comes_back_and_a_stopped_one_is_gone(plan: RunPlan) -> None:
    supervisor = Supervisor(plan, [SLEEPER])
    supervisor.start(_environment(plan))
    try:
        wait_until_ready(plan, supervisor, SLEEPER)
        killed = supervisor.kill("sleeper")
        assert killed
        _until(lambda: supervisor.states()["sleeper"].pid not in {0, killed} and is_ready(plan, SLEEPER))
    finally:
        supervisor.stop()
    assert marked(plan.folder) == []
    assert supervisor.states() == {}


def test_who_refuses_to_start_is_quoted(plan: RunPlan) -> None:
    supervisor = Supervisor(plan, [SLEEPER])
    supervisor.start(_environment(plan, REFUSE="1"))
    try:
        with pytest.raises(StartRefused, match=r"sleeper does not start: .* unset REFUSE"):
            wait_until_ready(plan, supervisor, SLEEPER)
    finally:
        supervisor.stop()


def test_what_a_killed_run_left_is_ended_by_the_next(plan: RunPlan) -> None:
    killed_run = Supervisor(plan, [SLEEPER])
    killed_run.start(_environment(plan))
    wait_until_ready(plan, killed_run, SLEEPER)
    assert len(marked(plan.folder)) == 2
    assert end_leftovers(plan.folder) >= 1
    assert marked(plan.folder) == []
    killed_run.stop()


def test_orphans_of_a_killed_supervisord_are_ended_too(plan: RunPlan) -> None:
    killed_run = Supervisor(plan, [SLEEPER])
    killed_run.start(_environment(plan))
    wait_until_ready(plan, killed_run, SLEEPER)
    os.kill(killed_run.pid, signal.SIGKILL)
    _until(lambda: len(marked(plan.folder)) == 1)
    end_leftovers(plan.folder)
    assert marked(plan.folder) == []
    killed_run.stop()


def test_a_process_of_another_run_is_left_alone(plan: RunPlan, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, FOLDER_MARK: str(tmp_path / "other")},
    )
    try:
        end_leftovers(plan.folder)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_percent_sign_in_a_path_survives_the_configuration(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(folder=tmp_path / "100%")
    text = configuration(plan, [SLEEPER], plan.folder / "s.sock")
    assert f"{tmp_path}/100%%/logs" in text
    assert "100%/" not in text


def test_a_folder_too_deep_for_a_socket_still_works(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(folder=tmp_path / ("deep" * 30))
    supervisor = Supervisor(plan, [SLEEPER])
    supervisor.start(_environment(plan))
    try:
        wait_until_ready(plan, supervisor, SLEEPER)
    finally:
        supervisor.stop()


def _until(condition) -> None:
    while True:
        with suppress(KeyError):
            if condition():
                return
        time.sleep(0.05)
