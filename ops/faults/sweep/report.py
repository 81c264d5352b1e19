"""What a sweep found: a file for programs, and the list of points for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kit.files import write_whole
from ops.faults.sweep.trial import How, Verdict
from ops.invariants.rows import Row

_NAMES: Final[Mapping[How, str]] = {"kill": "killed", "raise": "raised"}
_MARKS: Final = {True: "held", False: "**broken**"}


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts of a sweep, in the order of its steps. `gaps` are files that it does not reach."""

    steps: Sequence[str]
    verdicts: Sequence[Verdict]
    gaps: Sequence[str]
    measured_on: Mapping[str, Any]
    seconds: float

    def rows(self) -> list[Row]:
        hows: list[How] = [how for how in _NAMES if any(verdict.how == how for verdict in self.verdicts)]
        missed = [verdict for verdict in self.verdicts if not verdict.reached]
        return [
            *(self._row(how) for how in hows),
            _zero("steps_missed", "steps at which a trial's process neither died nor raised", len(missed)),
            _zero("files_unswept", "scripts and SQL files that the chain does not run", len(self.gaps)),
        ]

    def _row(self, how: How) -> Row:
        tried = [verdict for verdict in self.verdicts if verdict.how == how]
        broken = sum(bool(verdict.wrong) for verdict in tried)
        slowest = max((verdict.recovery_seconds for verdict in tried), default=0.0)
        what = f"of {len(tried)} steps {_NAMES[how]} at, those after which a promise broke (slowest rest {slowest:.1f} s)"
        return _zero(f"P1.{_NAMES[how]}_at_each_step", what, broken)

    @property
    def holds(self) -> bool:
        return all(row.holds for row in self.rows())

    def write(self, folder: Path) -> None:
        """`sweep.json` and `sweep.md` in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "sweep.json", json.dumps(self._json(), ensure_ascii=False, indent=1) + "\n")
        write_whole(folder / "sweep.md", self._markdown())

    def _json(self) -> dict[str, Any]:
        return {
            "rows": [row.as_json() for row in self.rows()],
            "measured_on": dict(self.measured_on),
            "seconds": round(self.seconds, 1),
            "gaps": list(self.gaps),
            "points": [{"step": step} | self._point(step) for step in self.steps],
        }

    def _point(self, step: str) -> dict[str, Any]:
        return {
            verdict.how: {
                "holds": verdict.holds,
                "reached": verdict.reached,
                "wrong": list(verdict.wrong),
                "recovery_seconds": verdict.recovery_seconds,
            }
            for verdict in self.verdicts
            if verdict.step == step
        }

    def _markdown(self) -> str:
        lines = ["# Sweep of crash points", "", "| what | value | goal | |", "| --- | ---: | --- | --- |"]
        lines += [f"| {row.what} | {row.value:g} | {row.goal} | {_MARKS[row.holds]} |" for row in self.rows()]
        lines += ["", *(f"- {gap}" for gap in self.gaps), "", *_POINTS]
        lines += [self._line(number, step) for number, step in enumerate(self.steps, start=1)]
        return "\n".join(lines) + "\n"

    def _line(self, number: int, step: str) -> str:
        told = {verdict.how: verdict for verdict in self.verdicts if verdict.step == step}
        seconds = max((verdict.recovery_seconds for verdict in told.values()), default=0.0)
        return f"| {number} | `{step}` | {_cell(told.get('kill'))} | {_cell(told.get('raise'))} | {seconds:.1f} |"


_POINTS: Final = ["| | step | killed | raised | rest, s |", "| ---: | --- | --- | --- | ---: |"]


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "–"
    if not verdict.reached:
        return "**not reached**"
    return "held" if not verdict.wrong else f"**{'; '.join(verdict.wrong)}**".replace("|", "/")


def _zero(row_id: str, what: str, count: int) -> Row:
    return Row(row_id, what, count, "", "= 0", count == 0)
