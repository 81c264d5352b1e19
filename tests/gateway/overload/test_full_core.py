"""When the core is full of callers that ask again at once, refusing them must not cost the sale.

Simulated (see `core`): a refusal takes 13 % of a service, so that refusing whoever asks fills the core by itself.
"""

import pytest

from gateway.overload.anteroom import TURNED_AWAY_WITHIN_SECONDS
from gateway.overload.settings import OverloadSettings
from tests.gateway.overload.core import Core, Second

FEW = 512  # connections that keep the core as busy as it can be, and nobody waits
CROWD = 6000
MOST = 16_000  # as many as a gateway accepts


@pytest.fixture(scope="module")
def knee() -> float:
    core = Core()
    core.come(FEW)
    return mean(core.run(10))


def mean(seconds: list[Second]) -> float:
    return sum(second.good for second in seconds) / len(seconds)


def crowded(callers: int, settings: OverloadSettings | None = None) -> Core:
    """After two calm seconds, with a crowd that has just come."""
    core = Core(settings)
    core.come(FEW)
    core.run(2)
    core.come(callers - FEW)
    return core


@pytest.mark.parametrize("callers", [CROWD, MOST])
def test_a_crowd_that_asks_again_at_once_leaves_nine_tenths_of_the_goodput_for_a_minute(
    callers: int, knee: float
) -> None:
    seen = crowded(callers).run(60)
    assert mean(seen) >= 0.9 * knee
    assert min(second.good for second in seen[1:]) >= 0.85 * knee


def test_control_where_nobody_waits_refusing_takes_all_and_the_goodput_is_gone(knee: float) -> None:
    seen = crowded(CROWD, OverloadSettings(waiting_max=0)).run(10)
    assert mean(seen) <= 0.1 * knee
    assert min(second.refused for second in seen) >= 5 * knee


def test_nobody_is_served_late_while_there_are_others_to_serve(knee: float) -> None:
    seen = crowded(MOST).run(20)
    assert sum(second.late for second in seen) <= 0.01 * 20 * knee


@pytest.mark.parametrize("callers", [CROWD, MOST])
def test_when_the_crowd_has_gone_all_is_as_before_within_a_second_or_two(callers: int, knee: float) -> None:
    core = crowded(callers)
    core.run(20)
    core.go(callers - FEW)
    core.run(2)
    assert mean(core.run(5)) >= 0.95 * knee
    assert core.gate.anteroom.waiting == 0


def test_refusals_leave_at_a_bounded_rate_however_many_have_lost_their_patience() -> None:
    seen = crowded(MOST).run(20)
    assert max(second.refused for second in seen) <= 1.1 * MOST / TURNED_AWAY_WITHIN_SECONDS
