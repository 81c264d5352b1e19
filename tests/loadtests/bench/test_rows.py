"""Rows: what holds, what does not, and that nothing unmeasured ever does."""

import math

import pytest

from loadtests.bench.rows import Goal, Row, missing_row, paired_ratio, ratio_row, spread

AT_LEAST = Goal(1.4)
AT_MOST = Goal(1.5, "at most")


@pytest.mark.parametrize(
    ("goal", "value", "holds"),
    [
        (AT_LEAST, 1.4, True),
        (AT_LEAST, 1.39, False),
        (AT_MOST, 1.5, True),
        (AT_MOST, 1.51, False),
        (AT_LEAST, None, False),
        (AT_MOST, None, False),
        (AT_LEAST, math.nan, False),
        (Goal(None), 7.0, True),
        (Goal(None), None, False),
    ],
)
def test_a_row_holds_when_its_value_reaches_the_goal(goal: Goal, value: float | None, holds: bool) -> None:
    assert Row("a", "b", value, goal).holds is holds


def test_a_row_is_told_as_every_report_tells_them() -> None:
    document = Row("a", "b", 1.23456, AT_LEAST, against="c").as_document()
    assert {name: document[name] for name in ("id", "what", "value", "unit", "goal", "holds")} == {
        "id": "a",
        "what": "b",
        "value": 1.2346,
        "unit": "x",
        "goal": "≥ 1.4",
        "holds": False,
    }


def test_an_infinite_value_is_told_as_none() -> None:
    assert Row("a", "b", math.inf, AT_MOST).as_document()["value"] is None


def test_a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() -> None:
    row = ratio_row("a", "b", AT_LEAST, [10, 20, 30], [10, 10, 10], rounds=3, against="c")
    assert row.value == 2
    drifting = ratio_row("a", "b", AT_LEAST, [10, 100, 40], [5, 50, 40], rounds=3, against="c")
    assert drifting.value == 2


def test_rounds_that_did_not_count_leave_their_pair_out_and_the_row_unheld() -> None:
    assert paired_ratio([2.0, None, 6.0], [1.0, 1.0, None]) == [2.0]
    row = ratio_row("a", "b", AT_LEAST, [9.0, None], [1.0, 1.0], rounds=2, against="c")
    assert row.value is None
    assert not row.holds
    assert "1 of 2" in row.why


def test_a_missing_baseline_is_named_and_does_not_hold() -> None:
    row = missing_row("a", "b", AT_LEAST, against="nginx", why="nginx is not here: apt-get install nginx")
    assert not row.holds
    assert "apt-get install" in row.as_document()["why"]


def test_the_spread_of_equal_rounds_is_nothing() -> None:
    assert spread([2.0, 2.0, 2.0]) == 0
    assert spread([2.0]) is None
    assert spread([1.0, 2.0, 3.0]) == 0.25
