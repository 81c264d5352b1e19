"""Open arrivals: planned, sent, unsent and answered add up, and a stall is seen by everybody who came during it."""

import itertools

import pytest

from loadtests.bench.client.opened import Arrivals, arrive
from tests.loadtests.bench.wire_server import BUSY, OK, WAIT, ask, serving

GOOD = frozenset({b"200"})


def test_arrivals_are_the_same_for_the_same_seed_and_as_many_as_asked() -> None:
    arrivals = Arrivals([1], 1, rate=1000, seconds=10)
    planned = arrivals.planned()
    assert planned == Arrivals([2], 5, rate=1000, seconds=10).planned()
    assert planned != Arrivals([1], 1, rate=1000, seconds=10, seed=12).planned()
    assert len(planned) == pytest.approx(10_000, rel=0.05)
    assert planned == sorted(planned)
    assert planned[-1] < 10


async def test_everything_planned_is_sent_or_counted_as_unsent() -> None:
    async with serving(lambda _: (0.0, OK)) as port:
        run = await arrive(Arrivals([port], 8, rate=500, seconds=0.5), map(ask, itertools.count()), good=GOOD)
    assert run.planned == run.sent + run.unsent
    assert run.good == run.sent == run.tally.answered
    assert len(run.latencies) == sum(run.by_second) == run.good
    assert run.histogram().total == run.planned


async def test_what_cannot_be_sent_is_unsent_and_counts_as_never_answered() -> None:
    """One connection whose first answer takes longer than the run: all the others wait for it, and are not left out."""
    async with serving(lambda _: (0.6, OK)) as port:
        run = await arrive(Arrivals([port], 1, rate=200, seconds=0.3), map(ask, itertools.count()), good=GOOD)
    assert run.sent == 1
    assert run.unsent == run.planned - 1
    assert run.unsent > 20
    assert run.histogram().summary()["p50"] is None


async def test_a_stall_delays_everybody_who_came_during_it() -> None:
    """A closed client would have asked once during the stall and called the rest fast."""
    async with serving(lambda number: (0.3 if number == 0 else 0.0, OK)) as port:
        run = await arrive(Arrivals([port], 1, rate=100, seconds=1.0), map(ask, itertools.count()), good=GOOD)
    assert run.unsent == 0
    waited = sum(each > 0.05 for each in run.latencies)
    assert waited > 10


async def test_latency_counts_from_the_planned_instant() -> None:
    async with serving(lambda _: (0.05, OK)) as port:
        run = await arrive(Arrivals([port], 1, rate=100, seconds=0.5), map(ask, itertools.count()), good=GOOD)
    # One connection serves twenty a second; of a hundred, each waits for all that came before.
    assert max(run.latencies) > 0.2


async def test_who_is_refused_comes_back_with_the_same_request() -> None:
    seen: list[bytes] = []
    async with serving(lambda number: (0.0, BUSY if number % 2 == 0 else OK), seen) as port:
        run = await arrive(
            Arrivals([port], 1, rate=200, seconds=0.5), map(ask, itertools.count()), good=GOOD, again=True
        )
    assert run.tally.by_status().keys() == {"200", "503"}
    assert run.good == run.tally.counts[b"200"]
    assert len(set(seen)) < len(seen)


async def test_who_is_refused_comes_back_when_it_was_told_to() -> None:
    seen: list[bytes] = []
    async with serving(lambda number: (0.0, WAIT if number == 0 else OK), seen) as port:
        run = await arrive(
            Arrivals([port], 1, rate=200, seconds=1.5), map(ask, itertools.count()), good=GOOD, again=True
        )
    came_again = seen.index(seen[0], 1)
    assert came_again > 20, "arrivals of a second came first"
    assert run.undecided == []


async def test_who_is_refused_comes_before_its_time_where_there_is_nobody_new() -> None:
    async with serving(lambda number: (0.0, WAIT if number < 10 else OK)) as port:
        run = await arrive(
            Arrivals([port], 1, rate=200, seconds=0.5), map(ask, range(10)), good=GOOD, again=True
        )
    assert run.good == 10


async def test_a_good_answer_that_comes_late_is_none_of_its_seconds() -> None:
    async with serving(lambda number: (0.2 if number == 0 else 0.0, OK)) as port:
        run = await arrive(
            Arrivals([port], 4, rate=200, seconds=0.5),
            map(ask, itertools.count()),
            good=GOOD,
            in_time_seconds=0.15,
        )
    assert run.good == run.sent
    assert run.late >= 1
    assert sum(run.by_second) == run.good - run.late
    assert max(run.since_sent) >= 0.2


async def test_who_is_refused_has_no_good_answer() -> None:
    async with serving(lambda _: (0.0, BUSY)) as port:
        run = await arrive(Arrivals([port], 4, rate=200, seconds=0.3), map(ask, itertools.count()), good=GOOD)
    assert run.good == 0
    assert run.goodput == 0
    assert run.histogram().missing == run.planned


async def test_a_connection_that_is_closed_on_us_is_opened_again() -> None:
    async with serving(lambda number: (0.0, b"" if number < 2 else OK)) as port:
        run = await arrive(Arrivals([port], 2, rate=100, seconds=0.8), map(ask, itertools.count()), good=GOOD)
    assert run.tally.lost == 2
    assert run.good == run.sent - 2
    assert run.good > 10


async def test_whose_last_answer_was_a_refusal_is_told_at_the_end_and_can_be_asked_again() -> None:
    async with serving(lambda number: (0.0, BUSY if number < 30 else OK)) as port:
        run = await arrive(
            Arrivals([port], 2, rate=100, seconds=0.2), map(ask, itertools.count()), good=GOOD, again=True
        )
        again = await arrive(
            Arrivals([port], 2, rate=500, seconds=2.0), iter(run.undecided), good=GOOD, again=True
        )
    assert run.undecided
    assert again.good == len(run.undecided)
    assert again.undecided == []
