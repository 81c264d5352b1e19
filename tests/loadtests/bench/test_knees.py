"""The knee is found by halving, and never claimed where nothing held."""

import pytest

from loadtests.bench.knees import Step, bisect


def served_up_to(most: float) -> list[float]:
    tried: list[float] = []

    def try_rate(rate: float) -> Step:
        tried.append(rate)
        return Step(rate, rate, 1.0, 0, rate <= most)

    knee = bisect(10_000, try_rate)
    assert knee.rate <= most
    assert [step.rate for step in knee.steps] == tried
    return [knee.rate, *tried]


@pytest.mark.parametrize("most", [2_500.0, 6_000.0, 9_900.0])
def test_the_knee_is_just_below_the_highest_rate_that_holds(most: float) -> None:
    assert served_up_to(most)[0] == pytest.approx(most, rel=0.07)


def test_no_knee_is_claimed_where_a_fifth_of_the_load_is_too_much() -> None:
    assert served_up_to(100.0)[:2] == [0.0, 2_000.0]
