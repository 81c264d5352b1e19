"""What people watch while a run runs: one line a step, and a table of the sale that moves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from kit.web.languages import Language
from ops.run.texts import say

COUNTS: Final = ("arrived", "waiting", "admitted", "reserved", "confirmed", "rewarded", "requests")
LINE_SECONDS: Final = 5.0  # where no terminal can show a moving table, a line is printed this often


class Show:
    """The run's voice."""

    def __init__(self, console: Console, language: Language) -> None:
        self.console = console
        self.language = language
        self._began = time.monotonic()
        self._live: Live | None = None
        self._line_at = float("-inf")

    def step(self, name: str, /, **facts: object) -> None:
        self.line(say(self.language, name, **facts))

    def line(self, text: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]  {text}", highlight=False)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Shows the crowd while the block runs."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def crowd(self, snapshot: dict[str, Any]) -> None:
        if self._live is not None:
            self._live.update(self._table(snapshot))
        elif time.monotonic() - self._line_at >= LINE_SECONDS or snapshot.get("done"):
            self._line_at = time.monotonic()
            counts = (f"{say(self.language, name)} {snapshot.get(name, 0):,}" for name in COUNTS)
            self.line(" · ".join(counts))

    def _table(self, snapshot: dict[str, Any]) -> Table:
        shoppers = max(1, int(snapshot.get("shoppers", 1)))
        table = Table.grid(padding=(0, 2))
        for name in COUNTS:
            count = int(snapshot.get(name, 0))
            bar = ProgressBar(total=shoppers, completed=min(count, shoppers), width=40)
            table.add_row(say(self.language, name), f"{count:,}", "" if name == "requests" else bar)
        table.add_row(str(snapshot.get("state", "")), f"{snapshot.get('frontier', 0):,}", "frontier")
        return table
