"""Figures: percentiles by nearest rank, and a summary that a report can be made of."""

import json

import pytest

from loadtests.crowd.figures import Figures, Stage, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.99, 0.0),
        ([7.0], 0.5, 7.0),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([float(value) for value in range(1, 101)], 0.50, 50.0),
        ([float(value) for value in range(1, 101)], 0.99, 99.0),
        ([float(value) for value in range(1, 201)], 0.99, 198.0),
        ([1.0, 2.0, 3.0], 1.0, 3.0),
        ([1.0, 2.0, 3.0], 0.0, 1.0),
    ],
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_a_stage_counts_times_and_rates() -> None:
    stage = Stage()
    for number in range(100):
        stage.note(10.0 + number / 10, 10.0 + number / 10 + (0.2 if number == 50 else 0.1))
    summary = stage.summary()
    assert summary["count"] == 100
    assert summary["p50_ms"] == pytest.approx(100)
    assert summary["max_ms"] == pytest.approx(200)
    assert summary["requests_per_second"] == pytest.approx(10, rel=0.01)


def test_a_stage_that_nothing_reached_is_zero() -> None:
    assert Stage().summary()["p99_ms"] == 0.0


def test_the_summary_is_json_and_adds_up() -> None:
    figures = Figures()
    figures.stages["join"].note(1.0, 1.5)
    figures.outcomes["buyer"]["rewarded"] += 2
    figures.outcomes["leaver"]["left"] += 1
    figures.told["forged_refused"] += 3
    summary = json.loads(json.dumps(figures.summary({"shoppers": 3})))
    assert summary["shoppers"] == 3
    assert summary["stages"]["join"]["count"] == summary["requests"] == 1
    assert summary["totals"] == {"left": 1, "rewarded": 2}
    assert summary["forgeries"] == {"refused": 3, "accepted": 0}
