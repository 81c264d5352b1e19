"""What the crowd's history proves by itself: a sound bound where the time of asking is unknown, exact where it is."""

import pytest

from ops.invariants.history import Told
from ops.invariants.told import (
    ANSWER_SECONDS_MAX,
    TURN_SECONDS_MAX,
    forgeries_accepted,
    places_inverted,
    positions_shared,
    turns_inverted,
)


def told(user: str, what: str, at: float, position: int | None, **facts: object) -> Told:
    return Told(user=user, what=what, at=at, position=position, **facts)  # type: ignore[arg-type]


def test_answers_that_crossed_on_the_wire_are_no_inversion() -> None:
    lines = [told("b", "joined", 10.0, 1, asked_at=5.0), told("a", "joined", 10.1, 0, asked_at=5.0)]
    assert places_inverted(lines) == []


def test_a_later_comer_with_an_earlier_place_is_an_inversion() -> None:
    lines = [told("a", "joined", 10.0, 7, asked_at=9.0), told("b", "joined", 11.0, 3, asked_at=10.5)]
    assert places_inverted(lines) == ["position/3"]


def test_without_the_time_of_asking_only_what_surely_came_later_counts() -> None:
    early = told("a", "joined", 100.0, 7)
    assert places_inverted([early, told("b", "joined", 100.0 + ANSWER_SECONDS_MAX - 1, 3)]) == []
    assert places_inverted([early, told("b", "joined", 100.0 + ANSWER_SECONDS_MAX + 1, 3)]) == ["position/3"]


def test_asking_again_keeps_the_first_place() -> None:
    lines = [
        told("a", "joined", 10.0, 0, asked_at=9.0),
        told("b", "joined", 20.0, 1, asked_at=19.0),
        told("a", "joined", 30.0, 0, asked_at=29.0),
    ]
    assert places_inverted(lines) == []
    assert positions_shared(lines) == []


def test_who_was_sent_back_behind_those_let_in_is_no_inversion() -> None:
    lines = [
        told("a", "admitted", 10.0, 5, asked_at=9.0),
        told("b", "refused", 32.0, 6, asked_at=31.0, code="not_your_turn"),
    ]
    assert turns_inverted(lines) == []
    lines.append(told("c", "refused", 32.0, 4, asked_at=31.0, code="not_your_turn"))
    assert turns_inverted(lines) == ["position/4"]


def test_a_view_of_the_frontier_that_trails_another_is_no_inversion() -> None:
    asked_at = 10.0 + TURN_SECONDS_MAX - 1
    lines = [
        told("a", "admitted", 10.0, 5, asked_at=9.0),
        told("c", "refused", asked_at + 1, 4, asked_at=asked_at, code="not_your_turn"),
    ]
    assert turns_inverted(lines) == []


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        (told("f", "joined", 1.0, 0, persona="forger", status=201), False),
        (told("f", "forged_refused", 1.0, None, persona="forger", status=401), False),
        (told("f", "forged_refused", 1.0, None, persona="forger", status=200), True),
        (told("f", "reserved", 1.0, None, persona="forger", status=201), True),
        (told("f", "error", 1.0, None, persona="forger", status=201, code="forgery x: 201"), True),
        (told("f", "error", 1.0, None, persona="forger", status=0, code="forgery x: no answer"), False),
        (told("b", "reserved", 1.0, None, persona="buyer", status=201), False),
    ],
)
def test_what_a_forger_was_given_is_told_from_what_was_refused(line: Told, *, accepted: bool) -> None:
    assert bool(forgeries_accepted([line])) is accepted
