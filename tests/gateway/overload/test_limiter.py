"""The limiter against a simulated store that serves in groups: how far it overshoots, how soon it settles, what is lost.

The store's capacity is 256 requests each 28.6 ms: 8,951 a second, the knee. Times are the simulation's.
"""

import math

import pytest

from gateway.overload.limiter import Limiter, Window
from gateway.overload.priority import Priority
from tests.gateway.overload.crowded import Seen, World

KNEE = 256 / (0.003 + 256 / 10_000)
TARGET = 0.2


def reserved(seconds: list[dict[Priority, Seen]]) -> list[Seen]:
    return [second[Priority.RESERVE] for second in seconds]


def rest(world: World) -> float:
    """Where Little's law puts the limit: what fills the target at the knee."""
    return KNEE * world.settings.target_seconds


def test_below_the_knee_nobody_is_refused() -> None:
    world = World()
    world.run(5, reserve=0.9 * KNEE)
    assert world.gate.refused == [0, 0, 0, 0]


def test_a_step_to_five_times_the_knee_keeps_the_goodput_and_overshoots_by_a_quarter_at_most() -> None:
    """Goal: goodput ≥ 0.9 of the knee from the first second on; overshoot ≤ 25 %; within 10 % of rest after a second."""
    world = World()
    world.run(2, reserve=0.7 * KNEE)
    seen = reserved(world.run(30, reserve=5 * KNEE))
    assert min(second.good for second in seen) >= 0.9 * KNEE
    assert max(max(second.limits) for second in seen) <= 1.25 * rest(world)
    probed = [second for second in seen[1:] if min(second.limits) < 0.9 * rest(world)]
    assert len(probed) <= 4, "besides a probe in ten seconds, the limit rests"
    assert all(second.slowest_seconds <= world.settings.good_seconds for second in seen[1:]), (
        "waiting and all"
    )


def test_after_five_times_the_knee_newcomers_find_all_as_before_and_the_last_of_the_crowd_is_told_in_seconds() -> (
    None
):
    world = World()
    world.run(20, reserve=5 * KNEE)
    after = reserved(world.run(12, reserve=0.9 * KNEE))
    assert min(second.good for second in after) >= 0.85 * KNEE
    assert after[-1].slowest_seconds < 0.05
    assert world.gate.anteroom.waiting == 0
    refused = sum(world.gate.refused)
    world.run(5, reserve=0.9 * KNEE)
    assert sum(world.gate.refused) == refused


def test_control_without_the_gate_the_goodput_is_gone_within_seconds() -> None:
    seen = reserved(World(gated=False).run(5, reserve=5 * KNEE))
    assert [second.good for second in seen[2:]] == [0, 0, 0]


def test_a_store_that_becomes_slow_is_told_from_a_queue_and_used_to_its_full() -> None:
    """Goal: a store that takes 200 ms more a group (and so bears 1,100 a second) is not starved by a limit made for the
    fast one: within five seconds the gate lets in what it bears, answers stay under a second, and no drift follows."""
    world = World()
    world.run(5, reserve=2 * KNEE)
    world.slowed_seconds = 0.2
    bears = 256 / (0.003 + 0.2 + 256 / 10_000)
    slow = reserved(world.run(60, reserve=0.5 * KNEE))
    late = slow[5:]
    assert sum(second.good for second in late) >= 0.9 * bears * len(late)
    assert max(second.slowest_seconds for second in late) <= 1.2
    early, end = (max(max(second.limits) for second in part) for part in (slow[5:30], slow[30:]))
    assert end <= 1.3 * early, "the limit must not creep up while it lasts"


def test_when_the_store_is_fast_again_the_limit_follows_within_two_seconds() -> None:
    world = World()
    world.slowed_seconds = 0.2
    world.run(20, reserve=0.5 * KNEE)
    world.slowed_seconds = 0.0
    world.run(2, reserve=0.9 * KNEE)
    again = reserved(world.run(3, reserve=0.9 * KNEE))
    assert min(second.good for second in again) >= 0.85 * KNEE


def test_a_store_that_loses_half_its_speed_moves_the_limit_to_the_new_rest() -> None:
    world = World()
    world.run(5, reserve=5 * KNEE)
    world.each_seconds *= 2
    seen = reserved(world.run(20, reserve=5 * KNEE))
    bears = 256 / (0.003 + 256 / 5_000)
    assert min(second.good for second in seen[2:]) >= 0.9 * bears
    assert max(seen[-1].limits) == pytest.approx(bears * TARGET, rel=0.25)


def test_who_pays_goes_before_who_reserves_and_these_before_who_joins_or_looks() -> None:
    world = World()
    world.run(2, pay=500, reserve=KNEE, join=KNEE, browse=KNEE)
    seen = world.run(5, pay=500, reserve=KNEE, join=KNEE, browse=KNEE)
    assert world.gate.refused[Priority.PAY] == 0
    for second in seen:
        assert second[Priority.PAY].good >= 490
        assert second[Priority.RESERVE].good >= 0.85 * (KNEE - 500)
        assert second[Priority.JOIN].good == second[Priority.BROWSE].good == 0


def test_with_nothing_above_it_joining_gets_everything_and_goes_before_browsing() -> None:
    world = World()
    world.run(2, join=2 * KNEE, browse=2 * KNEE)
    for second in world.run(5, join=2 * KNEE, browse=2 * KNEE):
        assert second[Priority.JOIN].good >= 0.9 * KNEE
        assert second[Priority.BROWSE].good == 0


def test_browsing_alone_gets_everything() -> None:
    world = World()
    world.run(2, browse=5 * KNEE)
    assert all(second[Priority.BROWSE].good >= 0.9 * KNEE for second in world.run(5, browse=5 * KNEE))


def window(mean_seconds: float, *, refused: int = 100, in_flight: int = 0) -> Window:
    return Window(0.2, (0, 1000, 0, 0), (0.0, 1000 * mean_seconds, 0.0, 0.0), refused, in_flight)


@pytest.fixture
def limiter() -> Limiter:
    """A limiter that has seen a healthy store: 10 ms an answer."""
    limiter = Limiter(target_seconds=TARGET, start=1000, lowest=64, highest=8192)
    limiter.observe(window(0.01, refused=0))
    return limiter


def test_the_step_is_the_formula(limiter: Limiter) -> None:
    limiter.observe(window(0.25))
    assert limiter.limit == pytest.approx(0.8 * 1000 + math.sqrt(1000))


def test_no_window_halves_or_doubles_more_than_once(limiter: Limiter) -> None:
    limiter.observe(window(5.0))
    assert limiter.limit == pytest.approx(500 + math.sqrt(1000))
    limiter.observe(window(0.0001))
    assert limiter.limit <= 2 * 600


def test_the_limit_stays_within_its_bounds(limiter: Limiter) -> None:
    for _ in range(20):
        limiter.observe(window(0.001))
    assert limiter.limit == 8192
    queue = limiter.limit
    for _ in range(40):
        limiter.observe(window(100 * limiter.limit / queue))
    assert limiter.limit == 64


def test_a_limit_that_is_not_in_the_way_does_not_grow(limiter: Limiter) -> None:
    limiter.observe(window(0.001, refused=0, in_flight=10))
    assert limiter.limit == 1000


def test_a_store_that_stands_still_halves_the_limit(limiter: Limiter) -> None:
    limiter.observe(Window(1.0, (0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0), refused=10, in_flight=1000))
    assert limiter.limit == 500


def test_silence_changes_nothing(limiter: Limiter) -> None:
    limiter.observe(Window(1.0, (0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0), refused=0, in_flight=0))
    assert limiter.limit == 1000
