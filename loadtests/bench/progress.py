"""How far a bench is: one line that changes for people, a line each for a log."""

import sys
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from loadtests.bench.rows import Row


@dataclass(slots=True)
class Progress:
    """Writes only between runs: a clock that ticks beside a measurement takes part in it."""

    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    started: float = field(default_factory=time.monotonic)

    def say(self, what: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        line = f"{minutes:02d}:{seconds:02d}  {what}"
        if self.console.is_terminal:
            sys.stderr.write(f"\r\x1b[2K{line[: self.console.width - 1]}")
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def tell(self, row: Row) -> None:
        """A row as soon as it is there."""
        if self.console.is_terminal:
            sys.stderr.write("\r\x1b[2K")
        mark = "[green]✓[/green]" if row.holds else "[bold red]✗[/bold red]"
        self.console.print(
            f"{mark} {row.id}: {value_text(row)} (goal {row.goal.text}) {row.why}", markup=True
        )

    def close(self, rows: list[Row]) -> None:
        """The whole table at the end."""
        table = Table(title="make bench", title_justify="left")
        for column in ("", "row", "what", "value", "goal"):
            table.add_column(column, overflow="fold")
        for row in rows:
            mark = "[green]✓[/green]" if row.holds else "[bold red]✗[/bold red]"
            table.add_row(mark, row.id, row.what, value_text(row), row.goal.text)
        self.console.print(table)


def value_text(row: Row) -> str:
    """A value with its unit, `-` for none."""
    if row.value is None:
        return "-"
    return f"{row.value:.2f} {row.goal.unit}"
