"""The closing report: a file for programs, tables for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from kit.files import write_whole
from kit.web.languages import Language
from ops.invariants.rows import Row
from ops.run.plan import RunPlan
from ops.run.programs import PROGRAMS
from ops.run.strike import Struck
from ops.run.texts import say

MIB: Final = 1024 * 1024
OUTCOMES: Final = (
    "joined",
    "admitted",
    "reserved",
    "confirmed",
    "rewarded",
    "released",
    "refused",
    "forged_refused",
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run found."""

    rows: Sequence[Row]
    measured_on: Mapping[str, Any]
    sale_id: str
    crowd: Mapping[str, Any]
    struck: Sequence[Struck]
    memory: Mapping[str, int]
    durations: Mapping[str, float]

    @property
    def broken(self) -> int:
        return sum(not row.holds for row in self.rows)

    def write(self, path: Path) -> None:
        """Written whole or not at all: a reader never meets half a report."""
        content = {
            "rows": [row.as_json() for row in self.rows],
            "measured_on": dict(self.measured_on),
            "sale_id": self.sale_id,
            "crowd": dict(self.crowd),
            "struck": [each.as_json() for each in self.struck],
            "memory_mib": {name: round(size / MIB, 1) for name, size in self.memory.items()},
            "durations_seconds": {name: round(seconds, 1) for name, seconds in self.durations.items()},
        }
        write_whole(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def print_report(console: Console, language: Language, plan: RunPlan, report: Report) -> None:
    """The tables."""
    if report.crowd:
        console.print(_outcome(language, report), _stages(language, report))
    console.print(_truths(language, report))
    console.print(_memory(language, report), _durations(language, report))
    if not plan.once:
        print_pages(console, language, plan)
    if report.broken:
        console.print(
            f"[bold red]{say(language, 'not_held', count=report.broken, report=plan.report)}[/bold red]"
        )
    else:
        console.print(f"[bold green]{say(language, 'all_held')}[/bold green] {plan.report}")


def print_pages(console: Console, language: Language, plan: RunPlan) -> None:
    """Where to look while everything is up."""
    table = Table(title=say(language, "pages"), title_justify="left", show_header=False)
    table.add_row(say(language, "shopper_page"), f"{plan.gateway_url}/")
    table.add_row(say(language, "gateway_docs"), f"{plan.gateway_url}/openapi.json")
    table.add_row(say(language, "console_docs"), f"{plan.console_url}/openapi.json")
    table.add_row(say(language, "simulator"), f"{plan.simulator_url}/misbehaviour")
    for program in PROGRAMS:
        port = plan.ports.health(program.place)
        table.add_row(say(language, "metrics", name=program.name), f"http://127.0.0.1:{port}/metrics")
    looked_up = f"desk shopper-{plan.seed}-000001" if plan.crowd else "sale list"
    table.add_row(
        say(language, "environment"),
        f"set -a; . {plan.environment_file}; set +a; .venv/bin/floodgate {looked_up}",
    )
    console.print(table)


def _outcome(language: Language, report: Report) -> Table:
    table = Table(title=say(language, "outcome"), title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    told = report.crowd.get("told", {})
    for name in OUTCOMES:
        table.add_row(name, f"{told.get(name, 0):,}")
    for name, count in report.crowd.get("totals", {}).items():
        table.add_row(f"→ {name}", f"{count:,}")
    return table


def _stages(language: Language, report: Report) -> Table:
    table = Table(title=say(language, "stages"), title_justify="left")
    table.add_column("stage")
    for name in ("count", "p50 ms", "p99 ms", "max ms", "requests/s"):
        table.add_column(name, justify="right")
    for name, stage in report.crowd.get("stages", {}).items():
        table.add_row(
            name,
            f"{stage['count']:,}",
            f"{stage['p50_ms']:.1f}",
            f"{stage['p99_ms']:.1f}",
            f"{stage['max_ms']:.1f}",
            f"{stage['requests_per_second']:.1f}",
        )
    return table


def _truths(language: Language, report: Report) -> Table:
    table = Table(title=say(language, "truths"), title_justify="left")
    table.add_column("")
    table.add_column("id")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("goal")
    for row in report.rows:
        value = "?" if row.value is None else f"{row.value:g} {row.unit}"
        mark = "[green]✓[/green]" if row.holds else "[bold red]✗[/bold red]"
        table.add_row(mark, row.id, row.what, value, row.goal)
    return table


def _memory(language: Language, report: Report) -> Table:
    table = Table(title=say(language, "memory"), title_justify="left")
    table.add_column("process")
    table.add_column("MiB", justify="right")
    for name, size in sorted(report.memory.items(), key=lambda pair: -pair[1]):
        table.add_row(name, f"{size / MIB:.1f}")
    return table


def _durations(language: Language, report: Report) -> Table:
    table = Table(title=say(language, "durations"), title_justify="left")
    table.add_column("what")
    table.add_column("s", justify="right")
    for name, seconds in report.durations.items():
        table.add_row(name, f"{seconds:.1f}")
    return table
