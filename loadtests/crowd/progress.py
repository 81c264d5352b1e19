"""How the crowd shows where it stands: a live table for people, one JSON line a second for a program, or nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import msgspec
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from loadtests.crowd.crowd import Show

Style = Literal["rich", "json", "none"]


@contextmanager
def progress(style: Style) -> Iterator[Show]:
    """A function that shows a snapshot."""
    if style == "rich":
        with Live(refresh_per_second=4, transient=False) as live:
            yield lambda snapshot: live.update(_table(snapshot))
    else:
        yield _write_line if style == "json" else lambda _snapshot: None


def _write_line(snapshot: dict[str, Any]) -> None:
    with suppress(OSError, ValueError):  # a reader that went away does not end the sale
        sys.stdout.write(msgspec.json.encode(snapshot).decode() + "\n")
        sys.stdout.flush()


def _table(snapshot: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("crowd", ProgressBar(total=snapshot["shoppers"], completed=snapshot["ended"], width=40))
    for name, value in snapshot.items():
        if name != "done":
            table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    return table
