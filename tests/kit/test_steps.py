"""Steps register themselves: what goes through the ground is one, and a process can be made to die or raise at it."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from kit import steps
from kit.errors import StartRefused
from kit.lua import LuaCall, LuaScript, run_all
from kit.postgres import Postgres
from kit.redis import RedisRoles

Reached = Callable[[], list[str]]


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Reached]:
    """Records the steps of this process; what was reached so far."""
    file = tmp_path / "steps"
    steps.arm(f"record:{file}")
    yield lambda: file.read_text(encoding="utf-8").split()
    steps.arm("")


async def test_a_new_script_is_a_step_by_itself(
    recorded: Reached, redis_roles: RedisRoles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = f"room_{uuid4().hex}"
    (tmp_path / room / "lua").mkdir(parents=True)
    (tmp_path / room / "__init__.py").touch()
    (tmp_path / room / "lua" / "new.lua").write_text(f"return '{room}'", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    script = LuaScript.from_file(room, "new")

    await script.run(redis_roles.stock, ["key"], [])
    await run_all(redis_roles.stock, [LuaCall(script, ["key"], []), LuaCall(script, ["other"], [])])

    name = f"{room}/lua/new.lua"
    assert recorded() == [f"lua.{when}/{name}#{n}" for n in (1, 2) for when in ("before", "after")]


async def test_a_commit_is_called_by_the_function_that_makes_it(
    recorded: Reached, postgres: Postgres
) -> None:
    async def buy_something_new() -> None:
        async with postgres.unit_of_work() as session:
            await session.execute(text("SELECT 1"))
        async with postgres.driver():
            pass
        async with postgres.driver(readonly=True), postgres.read():
            pass

    await buy_something_new()

    assert [step.rpartition(".")[2] for step in recorded()] == [
        "buy_something_new#1", "buy_something_new#1", "buy_something_new#2", "buy_something_new#2",
    ]  # fmt: skip
    assert [step.partition("/")[0] for step in recorded()] == ["commit.before", "commit.after"] * 2


async def test_a_step_raises_at_its_turn_and_only_then(postgres: Postgres) -> None:
    async def change() -> None:
        async with postgres.unit_of_work() as session:
            session.after_commit(lambda: asyncio.sleep(0))

    name = f"{__name__}.{change.__qualname__}"
    steps.arm(f"raise:commit.before/{name}#2")
    try:
        await change()
        with pytest.raises(steps.StepRaised, match="#2"):
            await change()
        await change()
    finally:
        steps.arm("")


def test_a_process_dies_where_it_is_told_to() -> None:
    """Control: the same process, told of a step that it does not reach, ends as it likes."""
    program = (
        "from kit import steps\nfrom kit.process import run_process\n"
        "def main():\n    steps.reached('message.before', 'bell')\n    print('lived')\n"
        "run_process('test', main)"
    )

    def run(step: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            env={"FLOODGATE_STEPS": step, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    killed, spared = run("kill:message.before/bell#1"), run("kill:message.before/bell#2")
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "")
    assert (spared.returncode, spared.stdout) == (0, "lived\n")


@pytest.mark.parametrize(
    "wanted",
    ["kill", "kill:", "kill:commit#1", "raise:commit.before/x", "raise:a/b#0", "record:", "stop:a/b#1"],
)
def test_what_cannot_be_read_is_refused_at_the_start(wanted: str) -> None:
    with pytest.raises(StartRefused, match="FLOODGATE_STEPS"):
        steps.arm(wanted)
    assert steps.armed is None
