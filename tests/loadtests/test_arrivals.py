"""When they come: planned ahead, in order, capped, the same for the same seed."""

from collections import Counter
from itertools import pairwise

import pytest

from loadtests.crowd.arrivals import SPIKE_SECONDS_MAX, TAIL_SECONDS, plan_arrivals
from loadtests.crowd.personas import Persona, draw_crowd

CROWD = list(draw_crowd(2_000, 11))


def test_the_same_seed_plans_the_same_arrivals() -> None:
    first, second = (plan_arrivals(CROWD, seed=11, opens_in_seconds=10) for _ in range(2))
    assert first == second


def test_everybody_is_planned_once_and_in_order() -> None:
    plan = plan_arrivals(CROWD, seed=11, opens_in_seconds=10)
    assert {shopper.number for _, shopper in plan} == set(range(2_000))
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(plan))


def test_half_come_before_the_opening_and_a_spike_with_it() -> None:
    plan = plan_arrivals(CROWD, seed=11, opens_in_seconds=10)
    seconds = Counter(int(at) for at, _ in plan)
    early = sum(count for second, count in seconds.items() if second < 10)
    assert 0.4 < early / 2_000 < 0.6
    assert seconds[10] == max(seconds.values()), "the busiest second is that of the opening"
    assert plan[-1][0] <= 10 + max(SPIKE_SECONDS_MAX, 1 + TAIL_SECONDS) + 1


def test_latecomers_come_after_the_opening() -> None:
    plan = plan_arrivals(CROWD, seed=11, opens_in_seconds=10)
    assert min(at for at, shopper in plan if shopper.persona is Persona.LATECOMER) > 10


def test_a_sale_that_is_open_already_is_visited_at_once() -> None:
    plan = plan_arrivals(CROWD, seed=11, opens_in_seconds=-30)
    assert plan[0][0] == 0.0
    assert plan[-1][0] < 15


@pytest.mark.parametrize("cap", [50, 500])
def test_no_second_has_more_arrivals_than_the_cap(cap: int) -> None:
    plan = plan_arrivals(CROWD, seed=11, opens_in_seconds=3, per_second_max=cap)
    for place in range(len(plan) - cap):
        assert plan[place + cap][0] - plan[place][0] >= 1 - 1e-6
