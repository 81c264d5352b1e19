"""The loop of one duty: bounded rounds, failures that stay its own, and a stop the moment leadership is lost."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from prometheus_client import REGISTRY

from kit.errors import Unavailable
from ops.keeper import duty as duty_module
from ops.keeper.duty import Duty, DutyLoop
from ops.keeper.fence import Fence, LeadershipLost


class Seat:
    """A leadership in memory: free or not, and lost when told so."""

    def __init__(self, *, free: bool = True) -> None:
        self.free = free
        self.number = 0
        self.lost = asyncio.Event()
        self.resigned = asyncio.Event()

    async def take(self) -> Fence | None:
        if not self.free:
            return None
        self.number += 1
        self.lost.clear()
        return Fence("test", self.number)

    async def keep(self):
        await self.lost.wait()
        raise LeadershipLost("test")

    def resign(self) -> None:
        self.resigned.set()


def _duty(name: str, round_, *, batch_max: int = 10, round_seconds_max: float = 5) -> Duty:
    return Duty(name, 0.01, round_seconds_max, batch_max, round_)


@asynccontextmanager
async def _running(*loops: DutyLoop):
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _metric(name: str, duty: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"duty": duty})


async def test_one_dutys_trouble_does_not_stop_another(duty_name: str) -> None:
    good_rounds = asyncio.Semaphore(0)

    async def fail(_fence: Fence) -> int:
        raise RuntimeError

    async def succeed(_fence: Fence) -> int:
        good_rounds.release()
        return 1

    failing, working = f"{duty_name}-failing", f"{duty_name}-working"
    async with _running(DutyLoop(_duty(failing, fail), Seat()), DutyLoop(_duty(working, succeed), Seat())):
        for _ in range(5):
            await good_rounds.acquire()
    assert _metric("floodgate_keeper_duty_failures_total", failing) >= 1
    assert _metric("floodgate_keeper_duty_failures_total", working) == 0
    assert _metric("floodgate_keeper_duty_last_success_timestamp_seconds", working) > 0
    assert _metric("floodgate_keeper_duty_last_success_timestamp_seconds", failing) is None


async def test_a_round_that_takes_too_long_is_cut_off_and_the_next_one_comes(duty_name: str) -> None:
    rounds = asyncio.Semaphore(0)

    async def hang(_fence: Fence) -> int:
        rounds.release()
        await asyncio.Event().wait()
        return 0

    async with _running(DutyLoop(_duty(duty_name, hang, round_seconds_max=0.01), Seat())):
        await rounds.acquire()
        await rounds.acquire()
    assert _metric("floodgate_keeper_duty_failures_total", duty_name) >= 1


async def test_a_round_that_loses_its_cancellation_does_not_lead_on(duty_name: str) -> None:
    """redis-py loses one while a connection fails: the keeper led on without its lock, and took the duty never again."""
    fences: list[int] = []
    in_round, taken_again = asyncio.Event(), asyncio.Event()

    async def lose_cancellation(fence: Fence) -> int:
        fences.append(fence.number)
        if fence.number > 1:
            taken_again.set()
            return 0
        in_round.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return 0

    seat = Seat()
    async with _running(DutyLoop(_duty(duty_name, lose_cancellation), seat)):
        await in_round.wait()
        seat.lost.set()
        async with asyncio.timeout(20):
            await taken_again.wait()
    assert fences[:2] == [1, 2]


async def test_a_lost_leadership_cancels_the_round_in_flight_and_the_next_one_has_a_new_fence(
    duty_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty_module, "STAND_BY_SECONDS", 0.01)
    fences: asyncio.Queue[int] = asyncio.Queue()
    cancelled = asyncio.Event()

    async def hold_on(fence: Fence) -> int:
        fences.put_nowait(fence.number)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return 0

    seat = Seat()
    async with _running(DutyLoop(_duty(duty_name, hold_on), seat)):
        assert await fences.get() == 1
        seat.lost.set()
        await cancelled.wait()
        assert await fences.get() == 2


async def test_who_does_not_lead_does_nothing_and_shows_it(duty_name: str) -> None:
    async def never(_fence: Fence) -> int:
        raise AssertionError

    loop = DutyLoop(_duty(duty_name, never), Seat(free=False))
    async with _running(loop):
        await asyncio.sleep(0.05)
        assert not loop.leading
    assert _metric("floodgate_keeper_duty_failures_total", duty_name) == 0
    assert _metric("floodgate_keeper_duty_leader", duty_name) == 0


async def test_a_full_batch_is_followed_by_the_next_without_waiting(duty_name: str) -> None:
    """The interval is an hour: only a full batch explains a second round."""
    backlog, rounds = [3, 3, 1], asyncio.Queue()

    async def work(_fence: Fence) -> int:
        done = backlog.pop(0)
        rounds.put_nowait(done)
        return done

    duty = Duty(duty_name, 3600, 5, 3, work)
    async with _running(DutyLoop(duty, Seat())):
        assert [await rounds.get() for _ in range(3)] == [3, 3, 1]
    assert _metric("floodgate_keeper_duty_done_total", duty_name) == 7


async def test_a_leader_that_only_fails_lets_another_try(
    duty_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty_module, "FAILING_SECONDS_MAX", 0.05)

    async def fail(_fence: Fence) -> int:
        raise Unavailable("redis")

    seat = Seat()
    async with _running(DutyLoop(_duty(duty_name, fail), seat)):
        await seat.resigned.wait()
        assert seat.number == 1


async def test_a_keeper_that_is_stopped_gives_its_leadership_back(duty_name: str) -> None:
    seat, led = Seat(), asyncio.Event()

    async def note(_fence: Fence) -> int:
        led.set()
        return 0

    async with _running(DutyLoop(_duty(duty_name, note), seat)):
        await led.wait()
        assert _metric("floodgate_keeper_duty_leader", duty_name) == 1
    assert seat.resigned.is_set()
    assert _metric("floodgate_keeper_duty_leader", duty_name) == 0


def test_a_duty_that_grows_with_the_books_works_a_share_of_its_time_and_is_back_before_the_alarm() -> None:
    async def work(_fence: Fence) -> int:
        return 0

    judging = Duty("judging", 10, 240, 1_000, work, share_max=0.25)
    assert [judging.pause_seconds(took) for took in (1, 4, 10, 200)] == [
        9,
        12,
        30,
        duty_module.REST_SECONDS_MAX,
    ]
    usual = Duty("usual", 10, 240, 1_000, work)
    assert [usual.pause_seconds(took) for took in (1, 4, 10, 200)] == [9, 6, 0, 0]
