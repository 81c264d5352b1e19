"""`floodgate run`, to be registered by `ops.cli`: everything on this machine, a demo sale, a crowd, a report."""

import asyncio
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from kit.clock import SystemClock
from kit.errors import StartRefused
from kit.process import EXIT_INTERRUPTED, sigterm_as_interrupt
from ops.planning.language import terminal_language
from ops.run.course import Course
from ops.run.plan import KILLABLE, Ports, RunPlan
from ops.run.report import Report, print_report
from ops.run.show import Show
from ops.run.system import System
from ops.run.topology import Topology

EXIT_NOT_HELD: Final = 1
SEEDS: Final = 100_000_000  # every run has a crowd of its own
REPORT_COLUMNS: Final = 140  # where no terminal says how wide it is


def _killable(text: str) -> str:
    """The names, comma between them."""
    for name in filter(None, text.split(",")):
        if name not in KILLABLE:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(KILLABLE)}.")
    return text


def run(
    crowd: Annotated[int, typer.Option(envvar="CROWD", min=0, help="Shoppers to send; 0 for none.")] = 2000,
    once: Annotated[
        bool, typer.Option(envvar="ONCE", help="End after the report: 0 if everything held, else 1.")
    ] = False,
    kill: Annotated[
        str,
        typer.Option(
            envvar="KILL",
            callback=_killable,
            help=f"SIGKILL these in mid-sale, comma between them: {', '.join(KILLABLE)}.",
        ),
    ] = "",
    kill_after_seconds: Annotated[
        float, typer.Option(envvar="KILL_AFTER_SECONDS", min=0, help="So long after the opening.")
    ] = 3.0,
    faults: Annotated[
        bool,
        typer.Option(
            envvar="FAULTS",
            help="In mid-sale flush Redis three times and kill the gateway five; the provider misbehaves.",
        ),
    ] = False,
    topology: Annotated[
        Topology,
        typer.Option(
            envvar="TOPOLOGY", help="cluster: a Redis Cluster and a PostgreSQL primary with its standby."
        ),
    ] = Topology.SINGLE,
    folder: Annotated[Path, typer.Option(envvar="RUN_FOLDER", help="Servers, logs, report.")] = Path(
        "var/run"
    ),
    sale_file: Annotated[Path, typer.Option(help="The sale to hold.")] = Path("examples/double11.yaml"),
) -> None:
    """Starts the whole system, holds a demo sale, reports what held, and stays up until Ctrl-C."""
    began = time.monotonic()
    if not sale_file.is_file():
        raise StartRefused(f"There is no sale file {sale_file}: name one with --sale-file.")
    plan = RunPlan(
        folder=folder,
        crowd=crowd,
        once=once,
        kill=tuple(filter(None, kill.split(","))),
        kill_after_seconds=kill_after_seconds,
        faults=faults,
        seed=secrets.randbelow(SEEDS),
        sale_file=sale_file,
        ports=Ports(),
        clustered=topology is Topology.CLUSTER,
    )
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else REPORT_COLUMNS
    show = Show(Console(width=width), terminal_language())
    raise typer.Exit(_run(plan, show, began))


def _run(plan: RunPlan, show: Show, began: float) -> int:
    """The exit code. Everything that was started has been stopped when it returns."""
    report: Report | None = None
    try:
        with sigterm_as_interrupt(), System(plan, show.step) as running:
            try:
                course = Course(plan, running, show, SystemClock(), began)
                report = asyncio.run(course.run())
                print_report(show.console, show.language, plan, report)
                if not plan.once:
                    show.step("stays_up")
                    signal.pause()
            finally:
                # From here on it is stopping already; a second Ctrl-C must not leave half of it behind.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                show.step("stopping")
    except KeyboardInterrupt:
        if report is None:
            return EXIT_INTERRUPTED
    return EXIT_NOT_HELD if report is None or report.broken else 0
