"""One hot item beside SQL: every row that can be asked for is made, and only from rounds that counted."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtests.bench.cores import Usage
from loadtests.bench.measures import ledger
from loadtests.bench.measures.ledger import ROWS, WAYS, Sale
from loadtests.bench.options import Options
from loadtests.bench.rows import Row
from loadtests.bench.runs import Result

USAGE = Usage(2.0, 1.0, 0.2, 0.5, {"postgresql": 0.5})


def _rows(monkeypatch: pytest.MonkeyPatch, *, gateway: Result | None) -> dict[str, Row]:
    def rounds(*_: object) -> dict[str, list[object]]:
        return {"gateway": [gateway], **{name: [Sale(1_000.0, 2_000, USAGE)] for name in WAYS}}

    monkeypatch.setattr(ledger, "_rounds", rounds)
    scene = SimpleNamespace(options=Options(Path("none"), rounds=1))
    return {row.id: row for row in ledger.rows(scene, None)}


def test_every_row_is_made_and_each_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows(monkeypatch, gateway=Result("gateway", 16_000.0, 0.0, USAGE))
    assert tuple(rows) == ROWS
    assert rows["hot_item_vs_single_rows"].value == 16
    assert rows["hot_item_vs_single_rows"].holds
    assert len({row.against for row in rows.values()}) == len(ROWS)


def test_a_round_that_did_not_count_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows(monkeypatch, gateway=None)
    assert not rows["hot_item_vs_sql_batches"].holds
    assert rows["buckets_vs_row"].value == 1
