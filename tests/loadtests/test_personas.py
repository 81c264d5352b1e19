"""Who comes: seeded, each kind with its share, nobody twice."""

from collections import Counter

import pytest

from loadtests.crowd.personas import SHARES, STAYERS_MAX, Persona, draw_crowd
from ops.run.plan import SHOPPERS_A_UNIT


def test_the_same_seed_draws_the_same_crowd() -> None:
    assert list(draw_crowd(500, 11)) == list(draw_crowd(500, 11))


def test_another_seed_draws_another_crowd() -> None:
    first, second = (Counter(one.persona for one in draw_crowd(500, seed)) for seed in (1, 2))
    assert first == second, "the shares are fixed"
    assert [one.persona for one in draw_crowd(500, 1)] != [one.persona for one in draw_crowd(500, 2)]


@pytest.mark.parametrize("shoppers", [1, 9, 100, 2_000, 20_001])
def test_every_persona_has_its_share(shoppers: int) -> None:
    counts = Counter(one.persona for one in draw_crowd(shoppers, 11))
    assert sum(counts.values()) == shoppers
    for persona, share in SHARES.items():
        assert abs(counts[persona] - shoppers * share / 100) <= 1.0 + (shoppers < 100)


def test_nobody_comes_twice() -> None:
    crowd = list(draw_crowd(2_000, 11))
    assert len({one.user_id for one in crowd}) == 2_000


def test_only_buyers_stay_and_no_more_than_can_be_told_of_each_unit() -> None:
    stayers = [one for one in draw_crowd(20_000, 11) if one.stays]
    assert {one.persona for one in stayers} == {Persona.BUYER}
    assert len(stayers) == STAYERS_MAX


@pytest.mark.parametrize("shoppers", [30, 40, 60, 150])
def test_a_small_crowd_has_more_stayers_than_units_whatever_its_seed(shoppers: int) -> None:
    """Else the last unit that comes back may meet nobody who still waits for one."""
    for seed in range(100):
        stayers = sum(one.stays for one in draw_crowd(shoppers, seed))
        assert stayers > round(shoppers / SHOPPERS_A_UNIT)


def test_only_leavers_have_an_exit() -> None:
    for one in draw_crowd(1_000, 11):
        assert (one.exit_after is not None) == (one.persona is Persona.LEAVER)
