"""The matrix's runner: a row holds when every trial proves its fault and breaks nothing, and when its control is caught.

Trials here are made up; one row of the catalogue is run for real, on servers that the run starts itself.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kit.errors import StartRefused
from ops.cli import app
from ops.faults import catalogue, runner
from ops.faults.matrix import FaultRow, Found, Ground, NotRun
from ops.faults.report import Report, page
from ops.faults.runner import run_rows
from ops.faults.verdict import Outcome

GOOD = Found(
    injected="cut twice", recovery_seconds=0.5, goodput_before_per_second=100.0, goodput_after_per_second=97.0
)
VIOLATED = replace(GOOD, violations=("stock_within_total: 1",))


def finds(found: Found) -> Callable[[Ground], Awaitable[Found]]:
    async def trial(ground: Ground) -> Found:
        return found

    return trial


def a_row(trial: object, control: object = None, row_id: str = "R9.made_up") -> FaultRow:
    return FaultRow(row_id, "made up", "虚构", "room", trial, control)  # type: ignore[arg-type]


class Grounds:
    """Ground without servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given: list[Ground] = []

    @asynccontextmanager
    async def ground(self, row: FaultRow, name: str, seed: int) -> AsyncIterator[Ground]:
        folder = self.folder / f"{name}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        ground = Ground("none", "none", "none", folder, seed)
        self.given.append(ground)
        yield ground


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    return Grounds(tmp_path)


def outcome_of(row: FaultRow, grounds: Grounds, seeds: int = 2) -> Outcome:
    (outcome,) = run_rows([row], range(1, seeds + 1), grounds, lambda row, seed: None)
    return outcome


def test_a_row_holds_when_all_seeds_prove_the_fault_and_break_nothing(grounds: Grounds) -> None:
    outcome = outcome_of(a_row(finds(GOOD), finds(VIOLATED)), grounds, seeds=3)
    assert outcome.holds
    assert [ground.seed for ground in grounds.given] == [1, 1, 2, 3]
    assert (outcome.recovery_p50_seconds, outcome.goodput_ratio_min) == (0.5, 0.97)


def test_a_fault_that_was_not_met_is_sought_again_and_what_does_not_hold_meanwhile_is_kept(
    grounds: Grounds,
) -> None:
    async def met_late(ground: Ground) -> Found:
        return GOOD if len(grounds.given) == runner.INJECTION_TRIES_MAX else replace(GOOD, injected="")

    sought = outcome_of(a_row(met_late), grounds, seeds=1)
    assert (sought.holds, sought.sought_again, sought.trials[0].tries) == (
        True,
        1,
        runner.INJECTION_TRIES_MAX,
    )
    (told,) = [row for row in Report([sought], [1], {}, 1.0).rows if row.id == "sought_again"]
    assert told.value == 1
    grounds.given.clear()
    assert not outcome_of(a_row(finds(replace(VIOLATED, injected=""))), grounds, seeds=1).holds
    assert len(grounds.given) == 1


def test_a_control_is_asked_at_several_seeds_for_one_at_which_it_shows(grounds: Grounds) -> None:
    async def shows_at_three(ground: Ground) -> Found:
        return VIOLATED if ground.seed == 3 else GOOD

    shown = outcome_of(a_row(finds(GOOD), shows_at_three), grounds, seeds=1)
    assert (shown.holds, shown.control_seeds) == (True, 3)
    assert "(at seed 3 of those asked)" in page(Report([shown], [1], {}, 1.0), "en")
    grounds.given.clear()
    assert not outcome_of(a_row(finds(GOOD), finds(GOOD)), grounds, seeds=1).holds
    assert len(grounds.given) == runner.CONTROL_SEEDS_MAX + 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (VIOLATED, "stock_within_total"),
        (replace(GOOD, injected=""), "not_injected"),
        (replace(GOOD, unsold_units=3), "unsold_units"),
        (replace(GOOD, goodput_after_per_second=90.0), "goodput"),
    ],
)
def test_a_row_does_not_hold_when_one_trial_is_not_as_it_must_be(
    grounds: Grounds, found: Found, said: str
) -> None:
    async def trial(ground: Ground) -> Found:
        return found if ground.seed == 2 else GOOD

    outcome = outcome_of(a_row(trial), grounds)
    assert not outcome.holds
    assert list(outcome.broken) == [2]
    assert said in outcome.broken[2][0]
    report = Report([outcome], [1, 2], {}, 1.0)
    assert not report.holds
    assert "FAULTS_ONLY=R9.made_up FAULTS_SEED=2 SEEDS=1" in page(report, "en")


async def breaks(ground: Ground) -> Found:
    raise LookupError("the guard is not where it was")


@pytest.mark.parametrize("control", [finds(GOOD), breaks])
def test_a_control_that_finds_nothing_or_only_breaks_makes_its_row_worthless(
    grounds: Grounds, control: Callable[[Ground], Awaitable[Found]]
) -> None:
    outcome = outcome_of(a_row(finds(GOOD), control), grounds)
    assert outcome.control_is_blind
    assert not outcome.holds


def test_a_trial_that_breaks_or_never_ends_is_a_violation_and_the_next_one_runs(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "TRIAL_SECONDS_MAX", {"room": 0.05})

    async def trial(ground: Ground) -> Found:
        if ground.seed == 1:
            raise ZeroDivisionError("by nothing")
        if ground.seed == 2:
            await asyncio.Event().wait()
        return GOOD

    outcome = outcome_of(a_row(trial), grounds, seeds=3)
    assert list(outcome.broken) == [1, 2]
    assert any("ZeroDivisionError: by nothing" in wrong for wrong in outcome.broken[1])
    assert any("trial_ended" in wrong for wrong in outcome.broken[2])


def test_a_row_that_this_machine_cannot_hold_says_so_and_is_not_called_held(grounds: Grounds) -> None:
    async def trial(ground: Ground) -> Found:
        raise NotRun("nothing may be mounted here")

    outcome = outcome_of(a_row(trial), grounds)
    report = Report([outcome], [1, 2], {}, 1.0)
    assert not report.holds
    assert report.rows[-1].value is None
    assert "nothing may be mounted here" in page(report, "zh-CN")


def test_rows_are_picked_by_their_beginning_and_an_unknown_one_is_refused() -> None:
    rows = [a_row(finds(GOOD), row_id=row_id) for row_id in ("R1.a", "R1.b", "D2.c")]
    assert [row.row_id for row in catalogue.pick(rows, "R1, D2.c")] == ["R1.a", "R1.b", "D2.c"]
    assert catalogue.pick(rows, "") == rows
    with pytest.raises(StartRefused, match=r"Q7"):
        catalogue.pick(rows, "R1,Q7")


def test_the_catalogue_has_each_row_once_and_says_it_in_both_languages() -> None:
    ids = [row.row_id for row in catalogue.ROWS]
    assert len(set(ids)) == len(ids)
    for row in catalogue.ROWS:
        assert row.fault in {*"PRDBXCSO"} | {row.row_id[:2]}
        assert row.what.strip()
        assert not row.what_zh.isascii()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user PostgreSQL runs as may enter."""
    with tempfile.TemporaryDirectory(prefix="fg-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_the_command_runs_a_row_for_real_and_ends_with_1_because_another_was_violated(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one run: starting the servers is what takes the time."""
    real = catalogue.pick(catalogue.ROWS, "R1.flushed")[:1]
    monkeypatch.setattr(catalogue, "ROWS", (*real, a_row(finds(VIOLATED), row_id="R9.violated")))
    ended = CliRunner().invoke(app, ["faults", "--seeds", "1", "--folder", str(open_folder)])
    assert ended.exit_code == 1, ended.output
    report = json.loads((open_folder / "report.json").read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in report["rows"]}
    assert all(row.keys() == {"id", "what", "value", "unit", "goal", "holds"} for row in rows.values())
    assert rows["R1.flushed"]["holds"], report["details"]["R1.flushed"]
    assert not rows["R9.violated"]["holds"]
    assert rows["violating_trials"]["value"] == 1
    details = report["details"]["R1.flushed"]
    assert details["control"]["violations"]
    assert "keys gone" in details["trials"][0]["injected"]
    assert "R9.violated" in (open_folder / "report.md").read_text(encoding="utf-8")
