"""What a bench is asked to do, and on which cores."""

from pathlib import Path

import pytest

from loadtests.bench.bench import QUESTIONS, expand
from loadtests.bench.cores import Layout, TooFewCores
from loadtests.bench.options import Options, OptionsWrong


def test_without_variables_it_is_five_rounds_of_three_seconds_of_everything() -> None:
    options = Options.read({})
    assert (options.rounds, options.seconds, options.folder) == (5, 3.0, Path("var/bench"))
    assert options.wants("anything")


def test_named_rows_are_all_that_is_wanted() -> None:
    options = Options.read({"BENCH_ONLY": "a, b,", "BENCH_ROUNDS": "1", "BENCH_SECONDS": "0.5"})
    assert options.wants("a")
    assert options.wants("c", "b")
    assert not options.wants("c")
    assert (options.rounds, options.seconds) == (1, 0.5)


@pytest.mark.parametrize(
    ("name", "text"), [("BENCH_ROUNDS", "0"), ("BENCH_ROUNDS", "x"), ("BENCH_SECONDS", "1e9")]
)
def test_a_number_that_cannot_be_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(OptionsWrong, match=name):
        Options.read({name: text})


def test_two_cores_are_one_for_the_server_and_one_for_everything_else() -> None:
    layout = Layout.of({0, 1})
    assert (layout.server, layout.load, layout.stores, layout.second) == (0, 1, frozenset({1}), None)


def test_more_cores_free_the_load_from_the_stores() -> None:
    assert Layout.of({0, 1, 2}).stores == {2}
    layout = Layout.of(range(8))
    assert layout.second == 2
    assert layout.stores == {3, 4, 5, 6, 7}
    assert len({layout.server, layout.load, layout.second}) == 3


def test_one_core_is_refused_in_a_sentence() -> None:
    with pytest.raises(TooFewCores, match="two cores"):
        Layout.of({0})


def test_a_question_stands_for_all_its_rows() -> None:
    assert expand(Options.read({"BENCH_ONLY": "overload"})).only == {"overload_during", "overload_after"}


def test_a_row_that_nobody_measures_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(OptionsWrong, match=r"no row reserve_faster; there are .*reserve_durable"):
        expand(Options.read({"BENCH_ONLY": "reserve_faster"}))


def test_no_row_belongs_to_two_questions() -> None:
    rows = [row_id for question in QUESTIONS.values() for row_id in question.ROWS]
    assert len(rows) == len(set(rows))
