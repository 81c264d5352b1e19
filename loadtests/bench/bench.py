"""One bench from beginning to end: the machine, the scene, the questions in turn, the report."""

import gc
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from loadtests.bench.cores import Layout
from loadtests.bench.machine import measured_on
from loadtests.bench.measures import arrivals, ceiling, doors, limiters, memory, overload, pair, reserving
from loadtests.bench.options import Options
from loadtests.bench.profiles import profile
from loadtests.bench.progress import Progress
from loadtests.bench.report import Report, write
from loadtests.bench.rows import Row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene

Question = Callable[[Scene, Runner], list[Row]]
QUESTIONS: Final[tuple[Question, ...]] = (
    memory.rows,
    ceiling.rows,
    doors.rows,
    reserving.rows,
    limiters.rows,
    pair.rows,
    arrivals.rows,
    overload.rows,
)


def measure(options: Options, *, began: datetime, started: float) -> Report:
    """Raises `TooFewCores`, `DoesNotStart`."""
    progress = Progress(started=started)
    layout = Layout.of(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {layout.load})
    gc.disable()  # a collection in mid-run would be a pause of the client's; between runs nothing is left to collect
    runner = Runner(options, layout, progress.say)
    rows: list[Row] = []
    with Scene(options, layout, progress.say) as scene:
        for question in QUESTIONS:
            found = question(scene, runner)
            for row in found:
                progress.tell(row)
            rows += found
            gc.collect()
        profiles = _profiles(options, runner)
        machine = measured_on(scene)
    took = time.monotonic() - started
    report = Report(rows, machine, began, took, options, runner.results, profiles, runner.refused)
    write(report)
    progress.close(rows)
    progress.say(f"written to {options.folder / 'report.md'}\n")
    return report


def _profiles(options: Options, runner: Runner) -> dict[str, str]:
    if not options.profile:
        return {}
    made = {}
    for title, subject in runner.profiled.items():
        runner.show(f"{title}: where its time goes")
        made[title] = profile(subject, runner)
    return made
