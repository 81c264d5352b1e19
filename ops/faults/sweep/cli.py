"""`floodgate sweep`: every crash point of a small sale, killed and raised at, judged, listed."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kit.embedded import Servers
from kit.errors import StartRefused
from kit.process import EXIT_INTERRUPTED, sigterm_as_interrupt
from kit.settings import PostgresSettings, RedisSettings, read_settings
from ops.faults.sweep.report import Report
from ops.faults.sweep.sweeping import Say, sweep
from ops.faults.sweep.trial import How, Places
from ops.migrate import migrate

EXIT_NOT_HELD: Final = 1
LINE_TRIALS: Final = 20  # where no terminal can show a bar, a line is printed this often


class Kinds(StrEnum):
    """How a process ends at its step."""

    BOTH = "both"
    KILL = "kill"
    RAISE = "raise"


def sweep_command(
    only: Annotated[str, typer.Option(help="Only steps whose name contains this.")] = "",
    kinds: Annotated[
        Kinds, typer.Option(help="Kill the process at its step, raise there, or both.")
    ] = Kinds.BOTH,
    report: Annotated[Path, typer.Option(help="Where sweep.json and sweep.md are written.")] = Path(
        "var/faults"
    ),
) -> None:
    """Runs a small sale once for each step that registers itself, ends its process there, and judges what follows."""
    _refuse_named_servers()
    hows: list[How] = [how for how in ("kill", "raise") if kinds in {Kinds.BOTH, how}]
    console = Console()
    try:
        with sigterm_as_interrupt():
            found = _sweep(console, only, hows)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    found.write(report)
    _print(console, found, report)
    raise typer.Exit(0 if found.holds else EXIT_NOT_HELD)


def _sweep(console: Console, only: str, hows: Sequence[How]) -> Report:
    with _short_folder() as folder, Servers(folder / "servers") as urls, _progress(console) as say:
        migrate(urls.database)
        places = Places(urls.database, urls.redis_stock, urls.redis_broker)
        return asyncio.run(sweep(places, folder, only=only, hows=hows, say=say))


def _refuse_named_servers() -> None:
    """A sweep leads every duty and lets time pass; that must never happen where real sales are."""
    if any((read_settings(PostgresSettings).database_url, *read_settings(RedisSettings).urls.values())):
        raise StartRefused("A sweep runs on servers of its own: unset DATABASE_URL and REDIS_*_URL for it.")


@contextmanager
def _short_folder() -> Iterator[Path]:
    """PostgreSQL's socket needs a short path, and nothing of a sweep is kept but its report."""
    with tempfile.TemporaryDirectory(prefix="fg-sweep-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _progress(console: Console) -> Iterator[Say]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("recording the steps", total=None)

        def say(done: int, total: int, step: str) -> None:
            progress.update(task, completed=done, total=total, description=step)
            if not console.is_terminal and done % LINE_TRIALS == 0:
                console.print(f"{done} of {total}  {step}", highlight=False)

        yield say


def _print(console: Console, found: Report, folder: Path) -> None:
    for row in found.rows():
        console.print(f"{'✓' if row.holds else '✗'} {row.id}: {row.value:g} ({row.what})", highlight=False)
    for gap in found.gaps:
        console.print(f"  {gap}", highlight=False)
    console.print(
        f"{len(found.steps)} steps in {found.seconds:.0f} s: {folder / 'sweep.md'}", highlight=False
    )
