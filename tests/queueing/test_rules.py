"""The pure rules of the waiting room."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from queueing.rules import (
    GAPS_MAX,
    RoomView,
    gaps_after_loss,
    next_poll_seconds,
    parse_gaps,
    queue_document,
    room_state,
    seconds_until_turn,
    waiting_before,
)

OPENS = datetime(2027, 11, 11, tzinfo=UTC)
VIEW = RoomView(
    sale_id="double11",
    state="open",
    frontier=100,
    issued=1100,
    rate_per_second=50,
    opens_at=OPENS,
    closes_at=OPENS + timedelta(hours=1),
    paused=False,
    stale=False,
    prequeue_at=OPENS - timedelta(hours=1),
)


@pytest.mark.parametrize(
    ("minutes", "sold_out", "paused", "state"),
    [
        (-61, False, False, "scheduled"),
        (-60, False, False, "prequeue"),
        (-1, True, True, "prequeue"),
        (0, False, False, "open"),
        (1, False, True, "paused"),
        (1, True, True, "sold_out"),
        (60, True, True, "ended"),
    ],
)
def test_a_room_is_in_one_state(minutes: int, *, sold_out: bool, paused: bool, state: str) -> None:
    now = OPENS + timedelta(minutes=minutes)
    assert room_state(replace(VIEW, paused=paused), now, sold_out=sold_out) == state


def test_the_document_says_all_that_the_contract_names() -> None:
    document = queue_document(VIEW, {"phone": "few"}, False, OPENS + timedelta(seconds=1))
    assert document == {
        "sale_id": "double11",
        "state": "open",
        "opens_at": "2027-11-11T00:00:00.000Z",
        "closes_at": "2027-11-11T01:00:00.000Z",
        "frontier": 100,
        "issued": 1100,
        "gaps": [],
        "rate_per_second": 50,
        "stock": {"phone": "few"},
        "lottery": {"commitment": None, "seed": None, "size": None},
        "next_poll_seconds": 1,
        "stale": False,
        "server_time": "2027-11-11T00:00:01.000Z",
    }


def test_a_gap_ahead_is_told_so_that_a_page_can_count_people() -> None:
    view = replace(VIEW, issued=5000, gaps=((50, 90), (1000, 4000)))
    assert queue_document(view, {}, False, OPENS)["gaps"] == [[1000, 4000]]
    assert waiting_before(view, 5000) == 1900
    assert waiting_before(view, 1000) == 900
    assert waiting_before(view, 50) == 0


def test_asking_again_makes_sense_when_the_frontier_will_be_there() -> None:
    assert seconds_until_turn(VIEW, 199, OPENS) == 2
    assert seconds_until_turn(VIEW, 199, OPENS - timedelta(seconds=3)) == 5
    assert seconds_until_turn(VIEW, 10**9, OPENS) == 60
    assert seconds_until_turn(VIEW, 100, OPENS) == 1


@given(
    seconds=some.integers(-90_000, 90_000),
    issued=some.integers(0, 10**7),
    frontier=some.integers(0, 10**7),
    rate=some.integers(1, 10**6),
    sold_out=some.booleans(),
    paused=some.booleans(),
)
def test_the_next_poll_is_always_between_one_second_and_a_minute(seconds: int, **facts: Any) -> None:
    sold_out, rate = facts.pop("sold_out"), facts.pop("rate")
    view = replace(VIEW, rate_per_second=rate, **facts)
    now = OPENS + timedelta(seconds=seconds)
    assert 1 <= next_poll_seconds(view, room_state(view, now, sold_out=sold_out), now) <= 60


def test_pages_close_in_on_the_start_instead_of_missing_it() -> None:
    for before in (3000, 60, 10, 1):
        now = OPENS - timedelta(seconds=before)
        assert next_poll_seconds(VIEW, "prequeue", now) <= max(1, before / 2)


def test_gaps_are_remembered_until_the_frontier_has_leapt_them() -> None:
    assert gaps_after_loss([], 10, 100, 0) == [[10, 100]]
    assert gaps_after_loss([[10, 100]], 150, 250, 100) == [[150, 250]]
    assert gaps_after_loss([[10, 100]], 150, 250, 5) == [[10, 100], [150, 250]]
    assert gaps_after_loss([], 100, 100, 0) == []
    many = [[n, n + 1] for n in range(0, 100, 2)]
    assert len(gaps_after_loss(many, 200, 300, 0)) == GAPS_MAX


def test_losses_without_a_position_given_in_between_are_one_gap() -> None:
    """A Redis that refuses every load: each try goes on one lease further, and the whole of it stays to be leapt."""
    gaps: list[list[int]] = []
    issued, start = 1_000, 101_000
    for _ in range(2 * GAPS_MAX):
        gaps = gaps_after_loss(gaps, issued, start, 500)
        issued, start = start, start + 100_000
    assert gaps == [[1_000, issued]]
    assert gaps_after_loss([[10, 100], [150, 250]], 240, 300, 5) == [[10, 100], [150, 300]]
    assert gaps_after_loss([[10, 100]], 101, 300, 5) == [[10, 100], [101, 300]]


def test_gaps_are_read_as_they_are_written() -> None:
    assert parse_gaps("") == ()
    assert parse_gaps("10:100,150:250") == ((10, 100), (150, 250))
