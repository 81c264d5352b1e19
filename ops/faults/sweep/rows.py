"""The family P1 of the fault matrix: a sample of the sweep for each seed, so that seeds together cover the steps."""

import random
from pathlib import Path
from typing import Final

from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.sweep.sweeping import record_steps, try_step, violations_of
from ops.faults.sweep.trial import Bench, How, Places, open_bench

SAMPLE: Final = 4  # trials of a second or two each
# The step of which the last is the crowd's: after it, without the repair that a control takes away, units stay claimed for ever.
_CLAIMED: Final = "lua.after/flashsale/lua/claim.lua#"
_WITHOUT: Final = "claims_recovered"


async def killed_at_each_step(ground: Ground) -> Found:
    return await _sample(ground, "kill")


async def raised_at_each_step(ground: Ground) -> Found:
    return await _sample(ground, "raise")


async def killed_without_repair(ground: Ground) -> Found:
    return await _unrepaired(ground, "kill")


async def raised_without_repair(ground: Ground) -> Found:
    return await _unrepaired(ground, "raise")


async def _sample(ground: Ground, how: How) -> Found:
    async with open_bench(_places(ground), _folder(ground)) as bench:
        steps = await record_steps(bench)
        random.Random(how).shuffle(steps)  # noqa: S311 - one order for all seeds: each takes the next few
        start = ground.seed * SAMPLE
        return await _try(bench, how, [steps[(start + place) % len(steps)] for place in range(SAMPLE)])


async def _unrepaired(ground: Ground, how: How) -> Found:
    async with open_bench(_places(ground), _folder(ground), without=_WITHOUT) as bench:
        steps = await bench.record()
        return await _try(bench, how, [step for step in steps if step.startswith(_CLAIMED)][-1:])


async def _try(bench: Bench, how: How, steps: list[str]) -> Found:
    verdicts = [await try_step(bench, step, how) for step in steps]
    reached = [verdict for verdict in verdicts if verdict.reached]
    return Found(
        injected=f"{how} at {', '.join(verdict.step for verdict in reached)}" if reached else "",
        violations=violations_of(verdicts),
        recovery_seconds=max(verdict.recovery_seconds for verdict in verdicts),
        unsold_units=sum("stock_not_at_zero" in wrong for verdict in verdicts for wrong in verdict.wrong),
    )


def _places(ground: Ground) -> Places:
    return Places(ground.database_url, ground.redis_url, ground.broker_url)


def _folder(ground: Ground) -> Path:
    folder = ground.folder / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


ROWS: Final = [
    FaultRow(
        "P1.killed_at_each_step",
        "a process is killed at a step that it registered itself; another one ends the sale",
        "进程在自行登记的任一步骤被 SIGKILL，由另一进程把活动做完",
        "room",
        killed_at_each_step,
        killed_without_repair,
    ),
    FaultRow(
        "P1.raised_at_each_step",
        "an unforeseen exception is raised at a step that registered itself; the process goes on, then another one",
        "任一自行登记的步骤抛出意外异常，进程继续运行，随后由另一进程接手",
        "room",
        raised_at_each_step,
        raised_without_repair,
    ),
]
