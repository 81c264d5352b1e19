"""One bench from beginning to end: the machine, the scene, the questions in turn, the report."""

import gc
import os
import subprocess
import time
from dataclasses import replace
from datetime import datetime
from types import ModuleType
from typing import Final

from loadtests.bench.cores import Layout
from loadtests.bench.launch import DoesNotStart, open_many_files
from loadtests.bench.machine import measured_on
from loadtests.bench.measures import (
    arrivals,
    ceiling,
    doors,
    growth,
    judgement,
    ledger,
    limiters,
    masters,
    memory,
    overload,
    pair,
    reopening,
    reserving,
    steps,
)
from loadtests.bench.options import Options, OptionsWrong
from loadtests.bench.profiles import profile
from loadtests.bench.progress import Progress
from loadtests.bench.report import Report, write
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene

# Each has ROWS, the ids it can measure, and rows(scene, runner), which measures those that are wanted.
QUESTIONS: Final[dict[str, ModuleType]] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        memory,
        reopening,
        ceiling,
        doors,
        reserving,
        ledger,
        masters,
        limiters,
        pair,
        arrivals,
        overload,
        steps,
        growth,
        judgement,
    )
}


def expand(options: Options) -> Options:
    """With the name of a question replaced by its rows. Raises `OptionsWrong` for what is neither."""
    known = {row_id for module in QUESTIONS.values() for row_id in module.ROWS}
    wanted = {
        row_id for name in options.only for row_id in (QUESTIONS[name].ROWS if name in QUESTIONS else (name,))
    }
    if strange := wanted - known:
        raise OptionsWrong(
            f"BENCH_ONLY names no row {', '.join(sorted(strange))}; there are {', '.join(sorted(known))}, "
            f"and for several at once {', '.join(QUESTIONS)}."
        )
    return replace(options, only=frozenset(wanted))


def measure(options: Options, *, began: datetime, started: float) -> Report:
    """Raises `TooFewCores`, `DoesNotStart`, `OptionsWrong`."""
    options = expand(options)
    progress = Progress(started=started)
    layout = Layout.of(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {layout.load})
    open_many_files()
    gc.disable()  # a collection in mid-run would be a pause of the client's; runs end with one
    runner = Runner(options, layout, progress.say)
    rows: list[Row] = []
    with Scene(options, layout, progress.say) as scene:
        for name, line in scene.missing.items():
            progress.say(f"{name} is not here, and its rows will not hold: {line}\n")
        for name, question in QUESTIONS.items():
            found = _ask(name, question, scene, runner)
            for row in found:
                progress.tell(row)
            rows += found
        profiles = _profiles(options, runner)
        machine = measured_on(scene)
    took = time.monotonic() - started
    report = Report(rows, machine, began, took, options, runner.results, profiles, runner.refused)
    write(report)
    progress.close(rows)
    progress.say(f"written to {options.folder / 'report.md'}\n")
    return report


def _ask(name: str, question: ModuleType, scene: Scene, runner: Runner) -> list[Row]:
    """Its rows; what goes wrong with one question is a row that does not hold, and the others are still asked."""
    try:
        found: list[Row] = question.rows(scene, runner)
    except (DoesNotStart, OSError, TimeoutError, subprocess.SubprocessError) as error:
        why = f"{type(error).__name__}: {error}"
        return [missing_row(name, f"everything about {name}", Goal(None), against="", why=why)]
    return found


def _profiles(options: Options, runner: Runner) -> dict[str, str]:
    if not options.profile:
        return {}
    made = {}
    for title, subject in runner.profiled.items():
        runner.show(f"{title}: where its time goes")
        made[title] = profile(subject, runner)
    return made
