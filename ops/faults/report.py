"""The matrix's report: a file for programs, a page for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from kit.files import write_whole
from kit.web.languages import Language
from ops.faults.matrix import Found
from ops.faults.texts import say
from ops.faults.verdict import GOODPUT_RATIO_MIN, Outcome, Trialled, goodput_ratio
from ops.invariants.rows import Row

_RATIO_GOAL: Final = f">= {GOODPUT_RATIO_MIN:g}"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run of the matrix found."""

    outcomes: Sequence[Outcome]
    seeds: Sequence[int]
    measured_on: Mapping[str, Any]
    seconds: float

    @property
    def rows(self) -> list[Row]:
        """What was asked of the matrix as a whole, then one a fault."""
        return [*self._whole(), *(_row(outcome) for outcome in self.outcomes)]

    @property
    def holds(self) -> bool:
        return all(row.holds for row in self.rows)

    def write(self, folder: Path, language: Language) -> None:
        """`report.json` and `report.md`, each written whole or not at all."""
        content = {
            "rows": [row.as_json() for row in self.rows],
            "measured_on": dict(self.measured_on),
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 1),
            "details": {outcome.row.row_id: _details(outcome) for outcome in self.outcomes},
        }
        write_whole(folder / "report.json", json.dumps(content, ensure_ascii=False, indent=2) + "\n")
        write_whole(folder / "report.md", page(self, language))

    def _whole(self) -> list[Row]:
        run = [outcome for outcome in self.outcomes if not outcome.not_run]
        trials = [trial for outcome in run for trial in outcome.trials]
        controls = [outcome for outcome in run if outcome.row.control is not None]
        violating = sum(bool(trial.found.violations) for trial in trials)
        unsold = sum(trial.found.unsold_units for trial in trials)
        unproven = sum(not trial.found.injected for trial in trials)
        blind = sum(outcome.control_is_blind for outcome in controls)
        ratios = [ratio for outcome in run if (ratio := outcome.goodput_ratio_min) is not None]
        rows = [
            Row("violating_trials", f"trials with a violation, of {len(trials)}", violating, "trials", "= 0", violating == 0),
            Row("unproven_trials", f"trials in which nothing shows the fault, of {len(trials)}", unproven, "trials", "= 0", unproven == 0),
            Row("blind_controls", f"controls that found nothing without their guard, of {len(controls)}", blind, "controls", "= 0", blind == 0),
            Row("sought_again", f"trials begun again because their fault had not taken place, of {len(trials)}", sum(outcome.sought_again for outcome in run), "trials", "told", holds=True),
            Row("unsold_units", "units unsold for ever after a fault", unsold, "units", "= 0", unsold == 0),
        ]  # fmt: skip
        if ratios:
            worst = round(min(ratios), 3)
            what = "goodput within 30 s of the fault's end against before, the worst trial"
            rows.append(
                Row("goodput_ratio_min", what, worst, "ratio", _RATIO_GOAL, worst >= GOODPUT_RATIO_MIN)
            )
        return rows


def _row(outcome: Outcome) -> Row:
    """Its value counts the trials that were not as they must be, and a control that found nothing."""
    if outcome.not_run:
        return Row(outcome.row.row_id, outcome.row.what, None, "broken trials", "= 0", holds=False)
    broken = len(outcome.broken) + outcome.control_is_blind
    return Row(outcome.row.row_id, outcome.row.what, broken, "broken trials", "= 0", outcome.holds)


def _details(outcome: Outcome) -> dict[str, Any]:
    return {
        "what_zh": outcome.row.what_zh,
        "stage": outcome.row.stage,
        "not_run": outcome.not_run,
        "control": None if outcome.control is None else _found(outcome.control),
        "control_seeds": outcome.control_seeds,
        "recovery_p50_seconds": _rounded(outcome.recovery_p50_seconds),
        "recovery_max_seconds": _rounded(outcome.recovery_max_seconds),
        "goodput_ratio_min": _rounded(outcome.goodput_ratio_min),
        "broken": {str(seed): wrong for seed, wrong in outcome.broken.items()},
        "trials": [_trial(trial) for trial in outcome.trials],
    }


def _trial(trial: Trialled) -> dict[str, Any]:
    return {
        "seed": trial.seed,
        "seconds": round(trial.seconds, 2),
        "tries": trial.tries,
        **_found(trial.found),
    }


def _found(found: Found) -> dict[str, Any]:
    plain = {
        name: _rounded(value) if isinstance(value, float) else value for name, value in asdict(found).items()
    }
    return {**plain, "goodput_ratio": _rounded(goodput_ratio(found))}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def page(report: Report, language: Language) -> str:
    """The report as Markdown."""
    zh = language == "zh-CN"
    lines = [
        f"# {say(language, 'title')}",
        "",
        say(
            language, "all_held" if report.holds else "not_held",
            rows=len(report.outcomes), seeds=len(report.seeds), broken=sum(not row.holds for row in report.rows),
        ),
        "",
        say(language, "took", minutes=report.seconds / 60, first=report.seeds[0], last=report.seeds[-1]),
        "",
        *_table(language, ("", "what", "value", "goal")),
    ]  # fmt: skip
    for row in report._whole():  # noqa: SLF001 - the page is the other half of the report
        what = say(language, row.id) if zh else row.what
        lines.append(f"| {_mark(row.holds)} | {what} | {row.value:g} {row.unit} | {row.goal} |")
    lines += ["", f"## {say(language, 'rows')}", "", say(language, "how_to_read"), ""]
    lines += _table(language, ("", "id", "what", "broken", "injected", "control", "recovery", "goodput"))
    lines += [_line(outcome, zh=zh, language=language) for outcome in report.outcomes]
    lines += _broken(report, language)
    return "\n".join(lines) + "\n"


def _table(language: Language, columns: Sequence[str]) -> list[str]:
    names = [say(language, f"column_{name}") if name else "" for name in columns]
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]


def _mark(holds: bool) -> str:
    return "✓" if holds else "✗"


def _line(outcome: Outcome, *, zh: bool, language: Language) -> str:
    row = outcome.row
    what = row.what_zh if zh else row.what
    if outcome.not_run:
        return f"| – | `{row.row_id}` | {what} | {say(language, 'not_run', reason=outcome.not_run)} | | | | |"
    proof = next((trial.found.injected for trial in outcome.trials if trial.found.injected), "")
    control = "–" if row.control is None else _control(outcome, language)
    p50, worst, ratio = outcome.recovery_p50_seconds, outcome.recovery_max_seconds, outcome.goodput_ratio_min
    recovery = "–" if p50 is None else f"{p50:.2f} / {worst:.2f} s"
    goodput = "–" if ratio is None else f"{ratio:.0%}"
    count = f"{len(outcome.broken)} / {len(outcome.trials)}"
    cells = (_mark(outcome.holds), f"`{row.row_id}`", what, count, _cell(proof), control, recovery, goodput)
    return f"| {' | '.join(cells)} |"


def _control(outcome: Outcome, language: Language) -> str:
    if outcome.control_is_blind or outcome.control is None:
        broke = "" if outcome.control is None else "; ".join(outcome.control.violations)
        return _cell(f"{say(language, 'control_blind')} {broke}".strip())
    found = say(language, "control_found", violation=outcome.control.violations[0])
    if outcome.control_seeds > 1:
        found += " " + say(language, "control_seeds", seeds=outcome.control_seeds)
    return _cell(found)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _broken(report: Report, language: Language) -> list[str]:
    lines = []
    for outcome in report.outcomes:
        for seed, wrong in outcome.broken.items():
            command = f"make faults FAULTS_ONLY={outcome.row.row_id} FAULTS_SEED={seed} SEEDS=1"
            lines += [f"- `{outcome.row.row_id}`, {say(language, 'seed')} {seed}: {_cell('; '.join(wrong))}"]
            lines += [f"  `{command}`"]
    return ["", f"## {say(language, 'broken')}", "", *lines] if lines else []
