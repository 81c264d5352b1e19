"""Batches are as large as the load is, and no sale waits for another's crowd."""

import asyncio
from collections.abc import Sequence

from queueing.limits.dispatch import Dispatch
from queueing.limits.members import Member
from queueing.limits.policy import SECOND_US, Check, LimitPolicy
from queueing.limits.settings import LimitSettings
from queueing.limits.terms import Mode, terms_of
from tests.queueing.limits.scene import Ear

USER = LimitPolicy("user", 5, SECOND_US)


class Recorder:
    """Serves nothing, remembers the batches, and holds those back whose scope it is told to."""

    def __init__(self, *held: str) -> None:
        self.batches: list[tuple[str, int]] = []
        self.free = asyncio.Event()
        self._held = held

    async def serve(self, batch: Sequence[Member]) -> None:
        assert len({member.scope for member in batch}) == 1
        self.batches.append((batch[0].scope, len(batch)))
        if batch[0].scope in self._held:
            await self.free.wait()


def one(scope: str) -> Member:
    return Member(scope, [Check(USER, "a")], terms_of(Mode.TAKE, 1, USER), Ear())


def ignore(member: Member) -> None:
    raise AssertionError("nobody waits too long here")


async def test_what_arrives_in_one_turn_shares_a_batch_and_a_batch_is_bounded() -> None:
    recorder = Recorder()
    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60, batch_max=100), recorder.serve, ignore)
    assert all(dispatch.enter(one("a")) for _ in range(250))
    await dispatch.drain()
    assert recorder.batches == [("a", 100), ("a", 100), ("a", 50)]


async def test_a_batch_under_way_lets_the_next_one_fill() -> None:
    recorder = Recorder("a")
    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60), recorder.serve, ignore)
    for _ in range(5):
        dispatch.enter(one("a"))
        await asyncio.sleep(0.001)
    recorder.free.set()
    await dispatch.drain()
    assert recorder.batches == [("a", 1), ("a", 4)]


async def test_a_sale_with_thousands_waiting_delays_another_by_one_batch() -> None:
    recorder = Recorder()
    dispatch = Dispatch(
        LimitSettings(waiting_seconds_max=60, batch_max=100, flights_max=1), recorder.serve, ignore
    )
    for _ in range(5000):
        dispatch.enter(one("hot"))
    dispatch.enter(one("quiet"))
    await dispatch.drain()
    assert recorder.batches[:3] == [("hot", 100), ("quiet", 1), ("hot", 100)]


async def test_control_in_order_of_coming_the_quiet_sale_would_wait_for_all() -> None:
    """One scope for everybody is a queue without turns: the quiet sale's request leaves with the last batch."""
    recorder = Recorder()
    dispatch = Dispatch(
        LimitSettings(waiting_seconds_max=60, batch_max=100, flights_max=1), recorder.serve, ignore
    )
    for _ in range(5000):
        dispatch.enter(one("all"))
    dispatch.enter(one("all"))
    await dispatch.drain()
    assert recorder.batches[-1] == ("all", 1) and len(recorder.batches) == 51


async def test_a_sale_whose_slot_does_not_answer_holds_up_no_other() -> None:
    recorder = Recorder("stuck")
    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60), recorder.serve, ignore)
    for _ in range(3):
        dispatch.enter(one("stuck"))
    await asyncio.sleep(0)
    for _ in range(3):
        dispatch.enter(one("quick"))
        await asyncio.sleep(0.001)
    assert recorder.batches == [("stuck", 3), ("quick", 1), ("quick", 1), ("quick", 1)]
    recorder.free.set()
    await dispatch.drain()


async def test_a_sale_cannot_fill_the_queue_for_the_others() -> None:
    recorder = Recorder("hot")
    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60, waiting_max=100), recorder.serve, ignore)
    entered = sum(dispatch.enter(one("hot")) for _ in range(1000))
    assert entered == 100
    assert all(dispatch.enter(one("quiet")) for _ in range(50))
    assert not dispatch.enter(one("hot"))
    recorder.free.set()
    await dispatch.drain()


async def test_a_batch_that_fails_unexpectedly_stops_nothing() -> None:
    served: list[int] = []

    async def serve(batch: Sequence[Member]) -> None:
        served.append(len(batch))
        if len(served) == 1:
            raise RuntimeError

    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60, batch_max=10), serve, ignore)
    for _ in range(20):
        dispatch.enter(one("a"))
    await dispatch.drain()
    assert served == [10, 10]


async def test_nothing_is_remembered_of_a_scope_that_is_served() -> None:
    dispatch = Dispatch(LimitSettings(waiting_seconds_max=60), Recorder().serve, ignore)
    for number in range(1000):
        dispatch.enter(one(f"scope-{number}"))
    await dispatch.drain()
    assert not dispatch._lanes and not dispatch._ready and not dispatch._flights
