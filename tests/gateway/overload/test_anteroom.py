"""Who finds no room waits: in order, bounded in number and in patience, dropped when gone, and told once."""

import pytest

from gateway.overload.anteroom import COMPACT_MIN, TURNED_AWAY_A_SECOND
from gateway.overload.gate import Gate
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings

RESERVE, JOIN, BROWSE, PAY = Priority.RESERVE, Priority.JOIN, Priority.BROWSE, Priority.PAY


class Scene:
    """A gate that is full, on a clock that is moved by hand, and what was told."""

    def __init__(self, **settings: float) -> None:
        self.time = 100.0
        self.gate = Gate(OverloadSettings(limit_start=64, limit_min=64, **settings), now=lambda: self.time)  # type: ignore[arg-type]
        self.told: list[str] = []
        self.held = [permit for _ in range(64) if (permit := self.gate.enter(RESERVE))]

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.gate.tick(0.0)

    def free(self) -> None:
        """One who is under way is answered."""
        self.held.pop().leave(Outcome.ANSWERED)


class Caller:
    """Notes what it is told; lets go at once where it is `quick`."""

    def __init__(self, scene: Scene, name: str, priority: Priority = RESERVE, *, quick: bool = False) -> None:
        self.scene, self.name, self.quick = scene, name, quick
        self.late = False
        self.permit: Permit | None = scene.gate.wait(priority, self, self.be_late)

    def let_in(self) -> None:
        assert self.permit is not None
        assert self.permit.held
        self.scene.told.append(f"{self.name} in")
        if self.quick:
            self.permit.leave(Outcome.ANSWERED)

    def turn_away(self) -> None:
        self.scene.told.append(f"{self.name} away")

    def be_late(self) -> None:
        self.late = True


def test_who_leaves_lets_the_next_one_in() -> None:
    scene = Scene()
    first, second = Caller(scene, "first"), Caller(scene, "second")
    assert first.permit
    assert second.permit
    assert (first.permit.held, scene.gate.in_flight, scene.gate.anteroom.waiting) == (False, 64, 2)
    scene.free()
    assert scene.told == ["first in"]
    assert (second.permit.held, scene.gate.in_flight, scene.gate.anteroom.waiting) == (False, 64, 1)


def test_reserving_goes_before_joining_that_came_earlier() -> None:
    scene = Scene()
    Caller(scene, "join", JOIN)
    Caller(scene, "reserve")
    scene.free()
    assert scene.told == ["reserve in"]
    for _ in range(20):  # joining may not fill the top of the limit
        scene.free()
    assert scene.told == ["reserve in", "join in"]


def test_who_only_looks_does_not_wait() -> None:
    scene = Scene()
    assert Caller(scene, "look", BROWSE).permit is None
    assert scene.gate.refused[BROWSE] == 1


def test_paying_goes_on_while_others_wait() -> None:
    scene = Scene()
    Caller(scene, "reserve")
    assert scene.gate.enter(PAY) is not None


def test_who_comes_when_all_places_are_taken_is_refused_at_once() -> None:
    scene = Scene(waiting_max=2)
    callers = [Caller(scene, str(number)) for number in range(3)]
    assert [caller.permit is not None for caller in callers] == [True, True, False]
    assert scene.gate.refused[RESERVE] == 1
    scene.free()
    assert Caller(scene, "next").permit is not None


def test_whose_patience_has_ended_is_turned_away_once_and_never_let_in() -> None:
    scene = Scene(patience_seconds=1)
    caller = Caller(scene, "one")
    scene.wait(0.9)
    assert scene.told == []
    scene.wait(0.2)
    assert scene.told == ["one away"]
    scene.free()
    scene.wait(5)
    assert caller.permit is not None
    caller.permit.leave(Outcome.LEFT)
    assert scene.told == ["one away"]
    assert (scene.gate.refused[RESERVE], scene.gate.anteroom.waiting, scene.gate.in_flight) == (1, 0, 63)


def test_joining_has_half_the_patience() -> None:
    scene = Scene(patience_seconds=1)
    Caller(scene, "reserve")
    Caller(scene, "join", JOIN)
    scene.wait(0.6)
    assert scene.told == ["join away"]


def test_a_crowd_out_of_patience_is_turned_away_at_a_bounded_rate_the_oldest_first() -> None:
    scene = Scene(patience_seconds=1)
    scene.wait(1.0)
    for number in range(1000):
        Caller(scene, str(number))
    scene.wait(0.95)
    assert scene.told == []
    scene.wait(0.05)
    assert 1 < len(scene.told) <= 0.05 * TURNED_AWAY_A_SECOND + 1
    assert scene.told[:2] == ["0 away", "1 away"]


def test_nobody_waits_longer_than_a_few_seconds_beyond_their_patience_even_when_nothing_moves() -> None:
    scene = Scene(patience_seconds=1)
    scene.wait(1.0)
    for number in range(16_000):
        Caller(scene, str(number))
    for _ in range(125):
        scene.wait(0.05)
    assert len(scene.told) == 16_000


def test_who_comes_when_all_places_are_taken_gets_that_of_the_oldest_whose_answer_would_come_too_late() -> (
    None
):
    scene = Scene(waiting_max=2, good_seconds=1, patience_seconds=5)
    Caller(scene, "reserve")
    Caller(scene, "join", JOIN)
    scene.wait(0.6)
    assert Caller(scene, "new join", JOIN).permit is not None
    assert scene.told == ["join away"]
    assert Caller(scene, "newer join", JOIN).permit is None, "what is worth more keeps its place"
    assert Caller(scene, "new reserve").permit is not None
    assert scene.told == ["join away", "reserve away"]
    assert scene.gate.anteroom.waiting == 2


def test_the_fresh_go_before_those_whose_answer_would_come_too_late() -> None:
    scene = Scene(good_seconds=1, patience_seconds=2)
    Caller(scene, "early")
    scene.wait(0.6)
    Caller(scene, "fresh")
    scene.free()
    assert scene.told == ["fresh in"]
    scene.free()
    assert scene.told == ["fresh in", "early in"]


def test_who_has_gone_is_not_let_in_and_keeps_no_place() -> None:
    scene = Scene(waiting_max=2)
    gone, there = Caller(scene, "gone"), Caller(scene, "there")
    assert gone.permit
    assert there.permit
    gone.permit.leave(Outcome.LEFT)
    assert scene.gate.anteroom.waiting == 1
    assert Caller(scene, "new").permit is not None
    scene.free()
    assert scene.told == ["there in"]


def test_those_who_come_and_go_do_not_pile_up_behind_one_who_waits() -> None:
    scene = Scene(patience_seconds=10)
    Caller(scene, "waits")
    for _ in range(3 * COMPACT_MIN):
        permit = Caller(scene, "gone").permit
        assert permit is not None
        permit.leave(Outcome.LEFT)
    scene.wait(0.05)
    assert sum(len(line.fresh) + len(line.stale) for line in scene.gate.anteroom._lines.values()) == 1


def test_a_long_line_of_those_who_leave_as_they_come_in_is_let_in_without_recursion() -> None:
    scene = Scene()
    for number in range(5000):
        Caller(scene, str(number), quick=True)
    scene.free()
    assert len(scene.told) == 5000
    assert (scene.gate.in_flight, scene.gate.anteroom.waiting) == (63, 0)


def test_one_that_fails_as_it_is_let_in_does_not_harm_who_made_room_and_ends_at_its_deadline() -> None:
    scene = Scene(deadline_seconds=5)
    broken = Caller(scene, "broken")
    broken.let_in = None  # type: ignore[assignment, method-assign]
    Caller(scene, "next")
    scene.free()
    scene.free()
    assert scene.told == ["next in"]
    scene.wait(5.1)
    assert broken.late
    assert broken.permit is not None
    assert not broken.permit.held


def test_the_deadline_counts_from_the_coming_and_goodput_with_it() -> None:
    scene = Scene(deadline_seconds=2, good_seconds=1, patience_seconds=10)
    late, slow = Caller(scene, "late"), Caller(scene, "slow")
    scene.wait(1.5)
    scene.free()
    scene.free()
    good = scene.gate.good[RESERVE]
    assert slow.permit is not None
    slow.permit.leave(Outcome.ANSWERED)
    assert scene.gate.good[RESERVE] == good
    scene.wait(0.6)
    assert late.late
    assert not slow.late


def test_what_was_waited_does_not_look_like_slowness_of_the_stores() -> None:
    scene = Scene(patience_seconds=10)
    waited = Caller(scene, "waited")
    scene.wait(0.5)
    scene.free()
    assert waited.permit is not None
    assert waited.permit.entered == scene.time
    assert waited.permit.came == scene.time - 0.5


@pytest.mark.parametrize("limit", [65, 66])
def test_when_the_limit_rises_who_waits_is_let_in_by_the_next_tick(limit: int) -> None:
    scene = Scene()
    for number in range(3):
        Caller(scene, str(number))
    scene.gate.room = (limit,) * 4
    scene.wait(0.05)
    assert len(scene.told) == limit - 64
