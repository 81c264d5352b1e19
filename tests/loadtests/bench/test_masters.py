"""Three masters beside one: what counts is what the masters themselves spend, and only rounds that counted."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtests.bench.cores import Usage
from loadtests.bench.measures import masters
from loadtests.bench.measures.masters import ROWS, Claims, judged
from loadtests.bench.options import Options
from loadtests.bench.rows import Row


def _rows(monkeypatch: pytest.MonkeyPatch, three: Claims | None) -> dict[str, Row]:
    found = {"three": [three], "one": [Claims(20_000.0, 10.0, 0.0, 0.9)]}
    monkeypatch.setattr(masters, "_rounds", lambda *_: found)
    scene = SimpleNamespace(options=Options(Path("none"), rounds=1))
    return {row.id: row for row in masters.rows(scene, None)}


def test_a_claim_that_costs_the_same_is_a_line_that_goes_straight_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows(monkeypatch, Claims(18_000.0, 12.0, 9.0, 0.9))
    assert tuple(rows) == ROWS
    assert (rows["masters_vs_one"].value, rows["masters_vs_one_cost"].value) == (0.9, 1.2)
    assert rows["masters_vs_one_cost"].holds


def test_a_claim_that_costs_half_as_much_again_does_not_bear_what_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not _rows(monkeypatch, Claims(18_000.0, 15.0, 9.0, 0.9))["masters_vs_one_cost"].holds


def test_a_round_that_did_not_count_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows(monkeypatch, None)
    assert [(row.value, row.holds) for row in rows.values()] == [(None, False)] * len(ROWS)


def test_what_replicas_and_the_client_spend_is_told_apart() -> None:
    usage = Usage(
        2.0, 0.8, 0.1, 0.5,
        {"redis-node-1": 0.1, "redis-node-2": 0.2, "redis-node-3": 0.1, "redis-node-4": 0.3, "redis-node-5": 0.1},
    )  # fmt: skip
    assert judged(1e6, 2.0, usage) == Claims(500_000.0, pytest.approx(0.4), pytest.approx(0.4), 0.8)
    assert judged(1e6, 2.0, Usage(2.0, 0.8, 0.1, 0.5, {"redis": 0.3})).masters == pytest.approx(0.3)
