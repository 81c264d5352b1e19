"""The report: it fails when a row does, names what is missing, and is a page that can be read."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loadtests.bench import __main__ as command
from loadtests.bench.cores import Usage
from loadtests.bench.options import Options
from loadtests.bench.report import Report, write
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Result

MACHINE: dict[str, Any] = {
    "cpu": "one",
    "cores": 2,
    "layout": "server on core 0, load on core 1",
    "python": "3",
    "libraries": {"uvicorn": "1"},
    "missing": {"nginx": "apt-get install nginx"},
}
HELD = Row("good", "what is good", 2.0, Goal(1.0), "something", limit="the server's core is full")
FAILED = Row("bad", "what is bad", 0.5, Goal(1.0), "something")
USAGE = Usage(1.0, 0.99, 0.5, 0.4, {"gateway": 0.9})


@pytest.fixture
def report(tmp_path: Path) -> Report:
    runs = {"gateway": [Result("gateway", 1000.0, 0.0, USAGE)], "nginx": [None]}
    options = Options(tmp_path)
    return Report([HELD], MACHINE, datetime(2026, 1, 1, tzinfo=UTC), 60.0, options, runs, {}, ["why not"])


def test_a_report_holds_only_when_every_row_does(report: Report) -> None:
    assert report.holds
    assert not replace(report, rows=[HELD, FAILED]).holds
    assert not replace(report, rows=[]).holds


def test_the_command_fails_when_a_row_does(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "measure", lambda *_, **__: report)
    assert command.main() == 0
    monkeypatch.setattr(command, "measure", lambda *_, **__: replace(report, rows=[HELD, FAILED]))
    assert command.main() == 1


def test_the_command_refuses_a_variable_that_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_ROUNDS", "many")
    assert command.main() == 2
    assert "BENCH_ROUNDS" in capsys.readouterr().err


def test_the_document_has_rows_and_what_they_were_measured_on(report: Report, tmp_path: Path) -> None:
    write(report)
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in document["rows"]] == ["good"]
    assert {"id", "what", "value", "unit", "goal", "holds"} <= document["rows"][0].keys()
    assert document["measured_on"]["cores"] == 2
    assert document["runs"]["gateway"][0]["rate"] == 1000
    assert document["runs"]["nginx"] == [None]
    assert document["not_counted"] == ["why not"]


def test_the_page_says_what_is_missing_and_how_to_get_it(report: Report, tmp_path: Path) -> None:
    nginx = missing_row("gone", "what needs nginx", Goal(1.0), against="nginx", why="nginx is not here")
    write(replace(report, rows=[HELD, FAILED, nginx]))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "1 of 3 rows hold" in text
    assert "apt-get install nginx" in text
    assert "| ✗ | gone | what needs nginx | none: nginx is not here |" in text
    assert "why not" in text


def test_the_plots_that_the_page_shows_are_there_and_are_pictures(report: Report, tmp_path: Path) -> None:
    latency = {"p50": 1.0, "p90": 2.0, "p99": 4.0, "p99.9": None}
    rows = [
        HELD,
        FAILED,
        Row("cost_x", "core-seconds a million: x", 20.0, Goal(None)),
        Row(
            "p99_x",
            "p99",
            1.2,
            Goal(1.5, "at most"),
            facts={"offered": 10, "ours": [latency], "theirs": [latency]},
        ),
        Row("overload_during", "goodput", 0.9, Goal(0.9), facts={"by_second": [1, 2, 3], "knee": 2}),
    ]
    write(replace(report, rows=rows))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    names = {"goals.svg", "rates.svg", "costs.svg", "p99_x.svg", "overload.svg"}
    assert {path.name for path in tmp_path.glob("*.svg")} == names
    for name in names:
        assert f"({name})" in text
        assert ET.fromstring((tmp_path / name).read_text(encoding="utf-8")).tag.endswith("svg")
