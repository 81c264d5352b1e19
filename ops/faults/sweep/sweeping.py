"""A whole sweep: a record, the gaps in it, and a trial for each step and each way to end there."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from ops.faults.sweep.census import find_gaps, list_files
from ops.faults.sweep.report import Report
from ops.faults.sweep.trial import Bench, How, Places, Verdict, open_bench
from ops.run.machine import measured_on

log = structlog.get_logger()

# Threads and the broker order some steps: a trial whose process came past its step is not a trial.
TRIES_MAX: Final = 3

Say = Callable[[int, int, str], None]


async def sweep(places: Places, folder: Path, *, only: str, hows: Sequence[How], say: Say) -> Report:
    """Tries every step whose name contains `only`. `say` hears how many trials of how many are done, and the step."""
    began = time.monotonic()
    async with open_bench(places, folder) as bench:
        recorded = await record_steps(bench)
        steps = [step for step in recorded if only in step]
        trials = [(step, how) for step in steps for how in hows]
        verdicts = []
        for done, (step, how) in enumerate(trials):
            say(done, len(trials), f"{how} {step}")
            verdicts.append(await try_step(bench, step, how))
            for wrong in verdicts[-1].wrong:
                log.warning("sweep_broken", how=how, step=step, wrong=wrong)
        say(len(trials), len(trials), "")
        machine = await measured_on(bench.postgres, bench.redis)
    gaps = find_gaps(recorded, list_files())
    return Report(steps, verdicts, gaps, machine, time.monotonic() - began)


async def record_steps(bench: Bench) -> list[str]:
    """The steps that every chain comes to. The first one is slow, and waits in rounds that no other needs."""
    first, again = await bench.record(), await bench.record()
    return [step for step in again if step in set(first)]


async def try_step(bench: Bench, step: str, how: How) -> Verdict:
    """The verdict of the first trial that came to the step; what any of them broke counts."""
    verdict = await bench.run(step, how)
    for _ in range(TRIES_MAX - 1):
        if not _is_missed(verdict):
            break
        verdict = await bench.run(step, how)
    return verdict


def _is_missed(verdict: Verdict) -> bool:
    return not verdict.reached and not verdict.wrong


def violations_of(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """What broke, by step."""
    return tuple(f"{verdict.how} {verdict.step}: {wrong}" for verdict in verdicts for wrong in verdict.wrong)
