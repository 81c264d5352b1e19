"""From measured core-seconds to machines: nothing is typed in, what was not measured is refused, the lowest breaks first."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench.scale import STEPS, Measured, NotMeasured, Peak, limits, main, needs, tables


def _report(**spent: float) -> dict[str, Any]:
    """A report in which every step takes so many core-seconds a million of each kind."""
    rows = [
        {
            "id": f"step_{step}",
            "value": sum(spent.values()),
            "facts": {"core_seconds_a_million": spent, "wal_bytes": 100, "answer_bytes": 500},
        }
        for step in STEPS
    ]
    hot = {
        "id": "hot_item_vs_single_rows",
        "value": 9.0,
        "facts": {"gateway": {"rates": [9_000, 10_000, 30_000]}},
    }
    return {"rows": [*rows, hot]}


PEAK = Peak(
    orders_a_second=1_000_000,
    visitors_an_order=2.0,
    polls_a_visitor=3.0,
    rewards_an_order=2.0,
    busy=0.5,
    cores_a_machine=8,
)
STEPS_AN_ORDER = 2 + 6 + 1 + 1 + 1 + 1 + 2


def test_a_step_costs_as_often_as_an_order_takes_it() -> None:
    gateway = needs(Measured.read(_report(gateway=10.0)), PEAK)[0]
    assert gateway.microseconds_an_order == 10 * STEPS_AN_ORDER
    assert gateway.cores == 10 * STEPS_AN_ORDER * 2  # a million a second, cores half full
    assert gateway.machines == 35


def test_twice_the_cost_takes_twice_the_cores() -> None:
    once, twice = (needs(Measured.read(_report(redis=cost)), PEAK)[1].cores for cost in (3.0, 6.0))
    assert twice == 2 * once


def test_what_bears_least_breaks_first() -> None:
    found = limits(Measured.read(_report(gateway=1.0, redis=1.0, postgresql=1.0)), PEAK)
    assert [limit.orders_a_second for limit in found] == sorted(limit.orders_a_second for limit in found)
    row = found[0]
    assert (row.what, row.orders_a_second, row.needed) == (
        "one bucket of a hot item (a row and its lock)",
        10_000,
        100,
    )


def test_a_step_that_was_not_measured_is_named() -> None:
    report = _report(gateway=1.0)
    report["rows"][4]["value"] = None
    with pytest.raises(NotMeasured, match="no figure for pay"):
        Measured.read(report)


def test_the_page_has_every_step_and_the_command_reads_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(_report(gateway=1.0)), encoding="utf-8")
    assert main(["--report", str(file), "--orders-a-second", "1000"]) == 0
    page = capsys.readouterr().out
    assert page.strip() == tables(Measured.read(_report(gateway=1.0)), Peak(orders_a_second=1000.0))
    assert all(f"| {step} |" in page for step in STEPS)


def test_without_a_report_it_says_what_writes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--report", str(tmp_path / "none.json")]) == 2
    assert "make bench writes it" in capsys.readouterr().err
