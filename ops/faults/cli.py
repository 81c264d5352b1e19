"""`floodgate faults`: runs the matrix, shows how far it is, writes its report, and says by its exit code whether it held."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Self

import structlog
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kit.postgres import Postgres
from kit.process import EXIT_INTERRUPTED, sigterm_as_interrupt
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings
from kit.web.languages import Language
from ops.faults import catalogue
from ops.faults.grounds import Grounds
from ops.faults.house import rows as house
from ops.faults.matrix import FaultRow
from ops.faults.report import Report
from ops.faults.runner import run_rows, trials_of
from ops.faults.texts import say
from ops.planning.language import terminal_language
from ops.run.machine import measured_on

EXIT_NOT_HELD: Final = 1
COLUMNS: Final = 140  # where no terminal says how wide it is


def faults(
    seeds: Annotated[int, typer.Option(envvar="SEEDS", min=1, help="Trials a row.")] = 20,
    only: Annotated[
        str,
        typer.Option(envvar="FAULTS_ONLY", help="Rows by id or beginning, comma-separated; empty for all."),
    ] = "",
    first_seed: Annotated[int, typer.Option(envvar="FAULTS_SEED", min=0, help="The first seed.")] = 1,
    folder: Annotated[Path, typer.Option(envvar="FAULTS_FOLDER", help="Servers, logs, report.")] = Path(
        "var/faults"
    ),
    names: Annotated[bool, typer.Option("--list", help="Names the rows and ends.")] = False,
) -> None:
    """Breaks what the sale stands on, row by row, on servers of its own, and judges what was promised."""
    language = terminal_language()
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else COLUMNS)
    rows = catalogue.pick(catalogue.ROWS, only)
    if names:
        for row in rows:
            console.print(
                f"{row.row_id}  {row.what_zh if language == 'zh-CN' else row.what}", highlight=False
            )
        return
    try:
        with sigterm_as_interrupt():
            report = run(rows, range(first_seed, first_seed + seeds), folder, console, language)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    raise typer.Exit(0 if report.holds else EXIT_NOT_HELD)


def run(
    rows: Sequence[FaultRow], seeds: Sequence[int], folder: Path, console: Console, language: Language
) -> Report:
    """Runs `rows` at `seeds` and writes the report into `folder`. Raises `StartRefused`."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    console.print(say(language, "servers"))
    with _logs_into(folder / "log.txt"), Grounds(folder) as grounds:
        asyncio.run(grounds.prepare())
        grounds.migrate()
        machine = asyncio.run(_machine(grounds))
        trials = sum(trials_of(row, seeds) for row in rows)
        console.print(say(language, "running", rows=len(rows), seeds=len(seeds), trials=trials))
        with _Shown(console, language, trials, len(seeds)) as shown:
            try:
                outcomes = run_rows(rows, seeds, grounds, shown.tell)
            finally:
                house.close()
    report = Report(outcomes, list(seeds), machine, time.monotonic() - began)
    report.write(folder, language)
    broken = sum(not row.holds for row in report.rows)
    verdict = say(
        language, "all_held" if report.holds else "not_held", rows=len(rows), seeds=len(seeds), broken=broken
    )
    console.print(f"[bold {'green' if report.holds else 'red'}]{verdict}[/]")
    console.print(say(language, "written", path=folder / "report.md"), highlight=False)
    return report


class _Shown:
    """How far the matrix is: a bar with the time left, or a line a row where no terminal can show one."""

    def __init__(self, console: Console, language: Language, trials: int, seeds: int) -> None:
        self._console, self._language, self._seeds = console, language, seeds
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn(say(language, "left")), TimeRemainingColumn(), console=console, speed_estimate_period=600,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=trials)
        self._told: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, row: FaultRow, seed: int) -> None:
        self._bar.update(self._task, advance=1, description=row.row_id)
        told = self._told[row.row_id] = self._told.get(row.row_id, 0) + 1
        if told == self._seeds + (row.control is not None) and not self._console.is_terminal:
            self._console.print(
                say(self._language, "row_ended", row_id=row.row_id, trials=told), highlight=False
            )


async def _machine(grounds: Grounds) -> dict[str, Any]:
    postgres = Postgres(PostgresSettings(database_url=grounds.database_url))
    url = grounds.redis_url
    redis = RedisRoles.connect(
        RedisSettings(redis_queue_url=url, redis_stock_url=url, redis_limits_url=url, redis_broker_url=url)
    )
    try:
        return await measured_on(postgres, redis)
    finally:
        await redis.close()
        await postgres.close()


@contextmanager
def _logs_into(path: Path) -> Iterator[None]:
    """What the services say of their troubles goes into a file: there are some in every trial, on purpose."""
    before = structlog.get_config()
    with path.open("w", encoding="utf-8") as file:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file),
        )
        try:
            yield
        finally:
            structlog.configure(**before)
