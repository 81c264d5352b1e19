"""Runs rows of the matrix: each seed a trial on fresh ground, and a control; nothing that a trial does ends the run.

Some faults, and what controls are to show, are races that must be met: what was not met is sought again, so many times.
"""

import asyncio
import random
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, Protocol

from ops.faults.matrix import FaultRow, Found, Ground, NotRun, Trial
from ops.faults.verdict import BROKE, NOT_INJECTED, Outcome, Trialled, faults_of, is_caught

# Several times what the slowest trial of a stage takes on two busy cores; reached only by who waits for ever.
TRIAL_SECONDS_MAX: Final = {"room": 120.0, "house": 300.0}
# Of races that missed one time in ten on busy cores (D2.deadlock), three tries miss one in a thousand; a control costs a
# trial each, and is asked only until it shows.
INJECTION_TRIES_MAX: Final = 3
CONTROL_SEEDS_MAX: Final = 5


class GroundGiver(Protocol):
    """Where trials get their ground; see `ops.faults.grounds.Grounds`."""

    def ground(self, row: FaultRow, name: str, seed: int) -> AbstractAsyncContextManager[Ground]: ...


def run_rows(
    rows: Sequence[FaultRow],
    seeds: Sequence[int],
    grounds: GroundGiver,
    tell: Callable[[FaultRow, int], None],
) -> list[Outcome]:
    """One outcome a row, in order. `tell` hears of each trial that ended, the control's too."""
    return [_run_row(row, seeds, grounds, tell) for row in rows]


def trials_of(row: FaultRow, seeds: Sequence[int]) -> int:
    """How many trials the row takes, its control among them."""
    return len(seeds) + (row.control is not None)


def _run_row(
    row: FaultRow, seeds: Sequence[int], grounds: GroundGiver, tell: Callable[[FaultRow, int], None]
) -> Outcome:
    trials: list[Trialled] = []
    control: Found | None = None
    asked = 0
    try:
        if row.control is not None:
            control, asked = _run_control(row, row.control, seeds[0], grounds)
            tell(row, seeds[0])
        for seed in seeds:
            trials.append(_run_trial(row, seed, grounds))
            tell(row, seed)
    except NotRun as missing:
        return Outcome(row, trials, control, str(missing), asked)
    return Outcome(row, trials, control, control_seeds=asked)


def _run_control(row: FaultRow, control: Trial, first_seed: int, grounds: GroundGiver) -> tuple[Found, int]:
    """What can go wrong without the guard need not do so at every seed: the first that shows it ends the search.

    With how many were asked.
    """
    for asked in range(1, CONTROL_SEEDS_MAX + 1):
        found = _run(row, control, "control", first_seed + asked - 1, grounds).found
        if is_caught(found):
            break
    return found, asked


def _run_trial(row: FaultRow, seed: int, grounds: GroundGiver) -> Trialled:
    """A trial of which nothing is wrong but that its fault did not take place is run again; whatever else is wrong is kept."""
    for tries in range(1, INJECTION_TRIES_MAX + 1):
        trial = replace(_run(row, row.trial, "trial", seed, grounds), tries=tries)
        if list(faults_of(trial.found)) != [NOT_INJECTED]:
            break
    return trial


def _run(row: FaultRow, trial: Trial, kind: str, seed: int, grounds: GroundGiver) -> Trialled:
    """A loop for each trial, so that no task of one lives on in the next. Raises `NotRun`."""
    began = time.monotonic()
    random.seed(seed)
    found = asyncio.run(_bounded(row, trial, f"{row.row_id}-{kind}", seed, grounds))
    return Trialled(seed, found, time.monotonic() - began)


async def _bounded(row: FaultRow, trial: Trial, name: str, seed: int, grounds: GroundGiver) -> Found:
    async with grounds.ground(row, name, seed) as ground:
        bound = TRIAL_SECONDS_MAX[row.stage]
        try:
            async with asyncio.timeout(bound):
                found = await trial(ground)
        except NotRun:
            raise
        except TimeoutError as error:
            return _broke(ground, f"{BROKE}ended: not within {bound:g} s", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the row does not hold and the next one runs
            return _broke(ground, f"{BROKE}broke: {type(error).__name__}: {error}", error)
        if not list(faults_of(found)):
            shutil.rmtree(ground.folder, ignore_errors=True)
        return found


def _broke(ground: Ground, violation: str, error: BaseException) -> Found:
    """The trace is left in the trial's folder, beside what else it left there."""
    ground.folder.mkdir(parents=True, exist_ok=True)
    trace = "".join(traceback.format_exception(error))
    (ground.folder / "broke.txt").write_text(trace, encoding="utf-8")
    return Found(injected="", violations=(violation,))
