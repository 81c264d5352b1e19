"""What a bench has sold is judged whole: its own hand excuses exactly what it did."""

from loadtests.bench.measures.judgement import counted, verdict


def test_a_violation_of_any_truth_keeps_the_row_from_holding() -> None:
    row = verdict({"stock_within_total": 0, "holds_end_once": 2}, 0)
    assert (row.value, row.holds) == (2, False)
    assert row.facts["broken"] == {"holds_end_once": 2}


def test_what_could_not_be_judged_is_a_violation() -> None:
    assert counted([{"id": "stock_within_total", "value": None}, {"id": "holds_end_once", "value": 0}]) == {
        "stock_within_total was not judged": 1,
        "holds_end_once": 0,
    }
    assert verdict({"stock_within_total was not judged": 1}, 0).value == 1


def test_rows_that_the_bench_filled_in_have_no_payment_and_no_event_and_that_is_told() -> None:
    row = verdict(
        {"money_serves_or_returns": 100, "confirmed_once_announced": 100, "positions_unique": 7}, 100
    )
    assert (row.value, row.holds) == (0, True)
    assert row.facts["by_hand"]["money_serves_or_returns"] == 100


def test_one_more_than_the_bench_filled_in_is_a_violation_and_so_is_one_less() -> None:
    assert verdict({"money_serves_or_returns": 101, "confirmed_once_announced": 100}, 100).value == 1
    assert verdict({"money_serves_or_returns": 99, "confirmed_once_announced": 100}, 100).value == 1
