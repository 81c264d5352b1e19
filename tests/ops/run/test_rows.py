"""The rows of a run: each says what it measured and whether that is enough; what was not seen does not hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from ops.invariants.rows import violations
from ops.run.plan import SIEGE
from ops.run.report import Report
from ops.run.rows import MIB, Findings, run_rows
from ops.run.standing import Standing
from ops.run.strike import Struck
from tests.ops.run.conftest import MakePlan

AT_REST = Standing(units_held=0, units_confirmed=300, holds=0, refunds=0, events=0, payouts=0)


def _rows(plan, found: Findings, *, seconds: float = 60, mib: int = 900):
    return {row.id: row for row in run_rows(plan, found, duration_seconds=seconds, memory_bytes=mib * MIB)}


def _good(**changes: object) -> Findings:
    given = {
        "at_crowds_end": AT_REST,
        "at_rest": AT_REST,
        "crowd_exit": 0,
        "crowd": {"errors": {}},
        **changes,
    }
    return Findings(**given)


def test_a_good_run_holds_in_every_row(make_plan: MakePlan) -> None:
    rows = _rows(make_plan(), _good())
    assert set(rows) == {
        "duration_seconds",
        "memory_mib",
        "units_held_or_confirmed",
        "under_way_at_rest",
        "crowd_complete",
        "crowd_faults",
    }
    assert all(row.holds for row in rows.values())


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("units_held_or_confirmed", _good(at_crowds_end=Standing(0, 299, 0, 0, 0, 0))),
        ("units_held_or_confirmed", _good(at_crowds_end=Standing(1, 300, 1, 0, 0, 0))),
        ("units_held_or_confirmed", _good(at_crowds_end=None)),
        ("under_way_at_rest", _good(at_rest=Standing(0, 300, 0, 0, 0, 1))),
        ("under_way_at_rest", _good(at_rest=None)),
        ("crowd_complete", _good(crowd_exit=1)),
        ("crowd_faults", _good(crowd={"errors": {"reserve 500": 1}})),
        ("crowd_faults", _good(crowd={})),
    ],
)
def test_what_is_wrong_or_unseen_does_not_hold(make_plan: MakePlan, row: str, found: Findings) -> None:
    rows = _rows(make_plan(), found)
    assert [each.id for each in rows.values() if not each.holds] == [row]


def test_a_slow_or_large_run_does_not_hold(make_plan: MakePlan) -> None:
    rows = _rows(make_plan(), _good(), seconds=121, mib=2049)
    assert not rows["duration_seconds"].holds
    assert not rows["memory_mib"].holds


def _struck(name: str, *, back: float | None = 4.2, confirmed: int = 100, after: int = 2) -> Struck:
    seen = {} if back is None else {name: after}
    return Struck(name, {name: 1}, seen, back, units_taken=200, units_confirmed=confirmed)


def test_a_killed_process_must_come_back(make_plan: MakePlan) -> None:
    plan = make_plan(kill=("worker",))
    row = "killed_and_back_worker"
    assert _rows(plan, _good(struck=[_struck("worker")]))[row].holds
    assert not _rows(plan, _good(struck=[_struck("worker", back=None)]))[row].holds
    assert not _rows(plan, _good(struck=[_struck("gateway")]))[row].holds
    assert not _rows(plan, _good())[row].holds


def test_where_something_was_struck_what_came_late_is_excused_and_what_was_wrong_is_not(
    make_plan: MakePlan,
) -> None:
    errors = {"reserve no answer": 2, "join 503": 1, "place_changed": 1}
    excused = _good(crowd={"errors": errors})
    assert not _rows(make_plan(), excused)["crowd_faults"].holds
    assert _rows(make_plan(kill=("worker",)), excused)["crowd_faults"].holds
    wrong = _good(crowd={"errors": {**errors, "500 reserve": 1}})
    assert _rows(make_plan(kill=("worker",)), wrong)["crowd_faults"].value == 1


def test_a_siege_counts_what_was_proven_in_mid_sale(make_plan: MakePlan) -> None:
    plan = make_plan(faults=True)
    rows = _rows(plan, _good(struck=[_struck(name) for name in SIEGE]))
    assert all(row.holds for row in rows.values())
    assert (rows["redis_flushed"].value, rows["gateway_killed"].value) == (3, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"back": None},
        {"after": 1},  # the same process, the same epoch: nothing happened
        {"confirmed": 300},  # after the last unit was sold
    ],
)
@pytest.mark.parametrize(("name", "row"), [("redis", "redis_flushed"), ("gateway", "gateway_killed")])
def test_a_stroke_without_its_proof_or_after_the_sale_does_not_count(
    make_plan: MakePlan, name: str, row: str, wrong: dict[str, Any]
) -> None:
    struck = [_struck(each) for each in SIEGE]
    struck[SIEGE.index(name)] = _struck(name, **wrong)
    assert [
        each.id for each in _rows(make_plan(faults=True), _good(struck=struck)).values() if not each.holds
    ] == [row]


def test_a_run_without_a_crowd_is_judged_by_time_and_memory(make_plan: MakePlan) -> None:
    assert set(_rows(make_plan(crowd=0), Findings())) == {"duration_seconds", "memory_mib"}


def test_the_report_is_what_the_contract_says(tmp_path: Path) -> None:
    report = Report(
        rows=[violations("ledger", "the ledger sums to zero", 2)],
        measured_on={"cores": 2},
        sale_id="demo",
        crowd={},
        struck=[_struck("gateway")],
        memory={"gateway": 3 * MIB},
        durations={"total": 1.26},
    )
    report.write(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["rows"] == [
        {
            "id": "ledger",
            "what": "the ledger sums to zero",
            "value": 2,
            "unit": "violations",
            "goal": "= 0",
            "holds": False,
        }
    ]
    assert written["struck"][0]["after"] == {"gateway": 2}
    assert written["measured_on"] == {"cores": 2}
    assert report.broken == 1
