"""Permits are counted exactly, end once, and end at the deadline; cheap work is put off while the loop is late."""

import pytest

from gateway.overload.brownout import Brownout
from gateway.overload.gate import Gate
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings


class Scene:
    """A gate on a clock that is moved by hand."""

    def __init__(self, **settings: float) -> None:
        self.time = 100.0
        self.gate = Gate(OverloadSettings(**settings), now=lambda: self.time)  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.gate.tick(0.0)


class Nobody:
    """Waits for nothing."""

    def let_in(self) -> None:
        raise AssertionError

    turn_away = let_in


def test_a_permit_is_given_back_once() -> None:
    gate = Scene().gate
    permit = gate.enter(Priority.RESERVE)
    assert permit is not None
    assert (gate.in_flight, permit.held) == (1, True)
    permit.leave(Outcome.ANSWERED)
    permit.leave(Outcome.FAILED)
    assert (gate.in_flight, permit.held) == (0, False)
    assert gate.ended[Priority.RESERVE] == [1, 0, 0, 0]


def test_a_full_gate_gives_no_permit() -> None:
    gate = Scene(limit_start=64, limit_min=64).gate
    permits = [gate.enter(Priority.RESERVE) for _ in range(100)]
    assert sum(permit is not None for permit in permits) == 64


def test_the_top_of_the_limit_is_kept_for_what_matters_more() -> None:
    gate = Scene(limit_start=100).gate
    assert sum(gate.enter(Priority.BROWSE) is not None for _ in range(100)) == 50
    assert sum(gate.enter(Priority.JOIN) is not None for _ in range(100)) == 30
    assert sum(gate.enter(Priority.RESERVE) is not None for _ in range(100)) == 20
    assert all(gate.enter(Priority.PAY) is not None for _ in range(100))


def test_paying_is_refused_when_memory_is_at_stake_only() -> None:
    gate = Scene(limit_start=64, limit_max=100).gate
    assert sum(gate.enter(Priority.PAY) is not None for _ in range(1000)) == 125


def test_what_is_still_held_at_the_deadline_is_told_once_and_given_back() -> None:
    scene, told = Scene(deadline_seconds=5), []
    permit = scene.gate.enter(Priority.RESERVE, lambda: told.append("late"))
    assert permit is not None
    scene.wait(4.9)
    assert told == []
    scene.wait(0.2)
    assert (told, scene.gate.in_flight, permit.held) == (["late"], 0, False)
    permit.leave(Outcome.ANSWERED)
    scene.wait(10)
    assert told == ["late"]
    assert scene.gate.ended[Priority.RESERVE][Outcome.LATE] == 1


def test_what_was_answered_in_time_is_not_told() -> None:
    scene, told = Scene(deadline_seconds=5), []
    permit = scene.gate.enter(Priority.RESERVE, lambda: told.append("late"))
    assert permit is not None
    permit.leave(Outcome.ANSWERED)
    scene.wait(6)
    assert told == []


def test_one_that_takes_long_does_not_keep_the_finished_behind_it_in_memory() -> None:
    scene = Scene(deadline_seconds=60)
    scene.gate.enter(Priority.RESERVE, lambda: None)
    for _ in range(3000):
        permit = scene.gate.enter(Priority.RESERVE, lambda: None)
        assert permit is not None
        permit.leave(Outcome.ANSWERED)
    scene.wait(0.05)
    assert len(scene.gate._watched) == 1


def test_only_answers_within_the_good_time_are_goodput() -> None:
    scene = Scene(good_seconds=1)
    quick, slow, failed = (scene.gate.enter(Priority.JOIN) for _ in range(3))
    assert quick and slow and failed
    quick.leave(Outcome.ANSWERED)
    failed.leave(Outcome.FAILED)
    scene.wait(2)
    slow.leave(Outcome.ANSWERED)
    assert scene.gate.good[Priority.JOIN] == 1
    assert scene.gate.ended[Priority.JOIN][:2] == [2, 1]


def test_a_store_that_refuses_at_once_does_not_look_like_a_fast_one() -> None:
    scene = Scene(limit_start=100)
    for _ in range(30):
        for _ in range(200):
            permit = scene.gate.enter(Priority.RESERVE)
            if permit is not None:
                permit.leave(Outcome.FAILED)
        scene.wait(0.05)
    assert scene.gate.limiter.limit == 100


def test_who_is_refused_comes_back_spread_out_the_more_the_fuller_it_is() -> None:
    scene = Scene(limit_start=64, waiting_max=0)
    waits = {scene.gate.retry_after_seconds() for _ in range(200)}
    assert waits == {1, 2}
    held = [scene.gate.enter(Priority.RESERVE) for _ in range(64)]
    for _ in range(1000):
        assert scene.gate.wait(Priority.RESERVE, Nobody()) is None
    for permit in held:
        assert permit is not None
        permit.leave(Outcome.ANSWERED)
    scene.wait(1.1)
    waits = {scene.gate.retry_after_seconds() for _ in range(2000)}
    assert (min(waits), max(waits) > 10, max(waits) <= 30) == (1, True, True)


@pytest.mark.parametrize("ticks", [1, 2])
def test_one_late_tick_is_no_reason(ticks: int) -> None:
    brownout = Brownout(0.1)
    for _ in range(ticks):
        brownout.observe(0.2)
    assert brownout.level == ticks - 1


def test_while_the_loop_is_late_looking_is_put_off_then_joining_and_never_buying() -> None:
    scene = Scene(lag_seconds_max=0.1)
    gate = scene.gate
    for _ in range(2):
        gate.tick(0.3)
    assert (gate.enter(Priority.BROWSE), gate.enter(Priority.JOIN) is not None) == (None, True)
    for _ in range(8):
        gate.tick(0.3)
    assert gate.enter(Priority.JOIN) is None
    assert gate.enter(Priority.RESERVE) is not None
    for _ in range(20):
        gate.tick(0.01)
    assert gate.enter(Priority.BROWSE) is not None


def test_it_does_not_flap_at_the_bound() -> None:
    brownout = Brownout(0.1)
    for _ in range(4):
        brownout.observe(0.2)
    for _ in range(100):
        brownout.observe(0.07)
    assert brownout.level == 2
