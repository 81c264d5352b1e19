"""Saturation: everything that was sent is accounted for, answered or lost."""

import itertools

from loadtests.bench.client.closed import Load, saturate
from tests.loadtests.bench.wire_server import GRANTED, OK, ask, serving


async def test_what_is_sent_is_answered_and_counted() -> None:
    seen: list[bytes] = []
    async with serving(lambda _: (0.0, GRANTED), seen) as port:
        run = await saturate(
            Load([port], connections=4, depth=3, seconds=0.1, warm_seconds=0.05),
            map(ask, itertools.count()),
            keep_granted=True,
        )
    assert run.sent == run.tally.answered == len(seen) == len(run.tally.bodies)
    assert run.tally.lost == 0
    assert not run.exhausted
    assert 0 < run.window[b"201"] <= run.tally.counts[b"201"]
    assert run.rate(b"201") > 0


async def test_no_request_is_sent_twice() -> None:
    seen: list[bytes] = []
    async with serving(lambda _: (0.0, OK), seen) as port:
        await saturate(Load([port], 8, 2, seconds=0.1, warm_seconds=0.0), map(ask, itertools.count()))
    assert len(set(seen)) == len(seen)


async def test_requests_that_run_out_are_said() -> None:
    async with serving(lambda _: (0.0, OK)) as port:
        run = await saturate(Load([port], 2, 1, seconds=0.1, warm_seconds=0.0), map(ask, range(10)))
    assert run.exhausted
    assert run.tally.answered == run.sent == 10


async def test_an_answer_that_never_comes_is_lost_and_not_forgotten() -> None:
    async with serving(lambda number: (0.0, b"" if number == 5 else OK)) as port:
        run = await saturate(Load([port], 1, 1, seconds=0.1, warm_seconds=0.0), map(ask, itertools.count()))
    assert run.tally.lost == 1
    assert run.sent == run.tally.answered + run.tally.lost == 6


async def test_connections_are_dealt_over_the_ports() -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    async with serving(lambda _: (0.0, OK), first) as one, serving(lambda _: (0.0, OK), second) as two:
        await saturate(Load([one, two], 4, 1, seconds=0.1, warm_seconds=0.0), map(ask, itertools.count()))
    assert first
    assert second
