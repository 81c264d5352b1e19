"""The report: rows as every report of ours has them, beside what they were measured on, as JSON and as a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loadtests.bench.options import Options
from loadtests.bench.page import page
from loadtests.bench.plots import draw
from loadtests.bench.rows import Row
from loadtests.bench.runs import Result


@dataclass(slots=True)
class Report:
    """Everything one bench found."""

    rows: list[Row]
    measured_on: dict[str, Any]
    began: datetime
    seconds: float
    options: Options
    runs: Mapping[str, Sequence[Result | None]] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    not_counted: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every row does; a report without rows shows nothing."""
        return bool(self.rows) and all(row.holds for row in self.rows)

    def as_document(self) -> dict[str, Any]:
        return {
            "rows": [row.as_document() for row in self.rows],
            "measured_on": self.measured_on,
            "began": self.began.isoformat(timespec="seconds"),
            "took_seconds": round(self.seconds, 1),
            "rounds": self.options.rounds,
            "seconds": self.options.seconds,
            "only": sorted(self.options.only),
            "runs": {
                name: [None if run is None else run.as_facts() for run in results]
                for name, results in self.runs.items()
            },
            "not_counted": self.not_counted,
        }


def write(report: Report) -> None:
    """report.json, report.md and the plots that it shows."""
    folder = report.options.folder
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.as_document(), ensure_ascii=False, indent=2)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    charts = draw(report.rows, report.runs)
    for name, svg in charts.items():
        (folder / name).write_text(svg, encoding="utf-8")
    shown = page(
        report.rows,
        report.runs,
        report.measured_on,
        list(charts),
        report.profiles,
        report.not_counted,
        rounds=report.options.rounds,
        seconds=report.options.seconds,
        only=sorted(report.options.only),
    )
    (folder / "report.md").write_text(shown, encoding="utf-8")
