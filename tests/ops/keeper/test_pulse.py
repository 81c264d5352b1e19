"""Admission follows PostgreSQL: it pauses by itself when commits do not end, says so, and goes on by itself."""

import asyncio
import math
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flashsale.settings import FlashsaleSettings
from kit.broker import create_broker
from kit.clock import SystemClock
from kit.embedded import ServerUrls
from kit.embedded.postgres import EmbeddedPostgres
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.settings import PostgresSettings
from kit.tasks import end_tasks
from ops.keeper.duty import DutyLoop
from ops.keeper.fence import Fence
from ops.keeper.leadership import Leadership
from ops.keeper.pulse import STILL_SECONDS, Pulse, pace_of
from ops.keeper.timetable import Timetable
from ops.migrate import migrate
from queueing import keys
from queueing.board import RoomBoard
from queueing.rooms import RoomPlan, open_room
from queueing.rules import queue_document
from queueing.settings import QueueingSettings
from queueing.upkeep import load_rooms

RATE = 1000
WAIT_SECONDS_MAX = 60.0  # for what comes by itself, on a busy machine


@pytest.mark.parametrize(
    ("wait_seconds", "pace"), [(0, 1), (0.5, 1), (1.25, 0.5), (1.999, 0.001), (2, 0), (3, 0), (math.inf, 0)]
)
def test_the_pace_falls_evenly_from_all_to_nothing(wait_seconds: float, pace: float) -> None:
    assert pace_of(wait_seconds) == pytest.approx(pace, abs=1e-3)


async def _turns(count: int = 3) -> None:
    """Lets the pulse's question go its way."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_pulse_tells_the_longest_wait_and_asks_one_thing_at_a_time() -> None:
    now, asked = 0.0, 0
    answered = asyncio.Event()

    async def probe() -> None:
        nonlocal asked
        asked += 1
        await answered.wait()

    pulse = Pulse(probe, monotonic=lambda: now)
    assert pulse.beat() == 0
    await _turns()
    now = 1.5
    assert (pulse.beat(), asked) == (1.5, 1)
    answered.set()
    await _turns()
    assert pulse.beat() == 1.5  # the question is answered; it took so long, until the next answer is there
    await _turns()
    assert (pulse.beat(), asked) == (0, 2)
    await pulse.stop()


async def test_no_answer_at_all_is_the_longest_wait_until_there_is_one() -> None:
    fails = True

    async def probe() -> None:
        if fails:
            raise Unavailable("postgres")

    pulse = Pulse(probe)
    pulse.beat()
    await _turns()
    assert pulse.beat() == math.inf
    fails = False
    await _turns()
    pulse.beat()
    await _turns()
    assert pulse.beat() < math.inf
    await pulse.stop()


class Ledger:
    """A PostgreSQL of this test's own, that can be frozen and stopped."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server, self.url = server, server.start()

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        assert self._server.start() == self.url

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = self._server.pid
        # The parent first, so that none of its children is missed; whoever ended meanwhile needs no signal.
        os.kill(postmaster, number)
        for child in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="fg-pulse-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        own = Ledger(EmbeddedPostgres(Path(folder) / "postgres"))
        migrate(own.url)
        yield own
        own.stop()


@dataclass
class Stage:
    """A crowd in front of an open sale, and the keeper that lets it in."""

    timetable: Timetable
    board: RoomBoard
    roles: RedisRoles
    settings: PostgresSettings
    sale_id: str

    async def frontier(self) -> int:
        return int(await self.roles.queue.hget(keys.room(self.sale_id), "frontier"))  # type: ignore[misc]

    async def told(self) -> tuple[str, int]:
        """State and rate, as the queue document says."""
        await self.board.refresh()
        document = queue_document(self.board.view(self.sale_id), {}, False, SystemClock().now())
        return document["state"], document["rate_per_second"]

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.1)

    async def moves(self) -> bool:
        before = await self.frontier()
        await asyncio.sleep(0.3)
        return await self.frontier() > before

    async def is_paused(self) -> bool:
        return await self.told() == ("paused", 0)


@pytest.fixture
async def stage(
    ledger: Ledger, servers: ServerUrls, redis_roles: RedisRoles, sale_id: str
) -> AsyncIterator[Stage]:
    settings = PostgresSettings(
        database_url=ledger.url, postgres_statement_seconds=3, postgres_connect_seconds=2
    )
    postgres = Postgres(settings)
    now = datetime.now(UTC)
    async with postgres.unit_of_work() as session:
        window = now - timedelta(minutes=1), now + timedelta(hours=1)
        await open_room(session, RoomPlan(sale_id, *window, RATE))
    await load_rooms(postgres, redis_roles.queue)
    await redis_roles.queue.hset(keys.room(sale_id), "next", 1_000_000)  # type: ignore[misc]
    broker = create_broker(servers.redis_broker, namespace=sale_id)
    timetable = Timetable(postgres, postgres, redis_roles, broker, None, FlashsaleSettings())
    board = RoomBoard(redis_roles.queue, SystemClock(), QueueingSettings())
    yield Stage(timetable, board, redis_roles, settings, sale_id)
    await timetable.pulse.stop()
    broker.client.close()
    await postgres.close()


@pytest.mark.parametrize(("leaves", "comes_back"), [("freeze", "thaw"), ("stop", "start")])
async def test_while_postgresql_is_away_nobody_is_let_in_and_afterwards_it_goes_on_by_itself(
    leaves: str, comes_back: str, stage: Stage, ledger: Ledger
) -> None:
    """Through the pulse first, and then because the leadership itself rests on PostgreSQL."""
    (frontier,) = [duty for duty in stage.timetable.duties() if duty.name == "frontier"]
    loop = DutyLoop(frontier, Leadership(stage.settings, duty="frontier", leader="me"))
    leading = asyncio.create_task(loop.run())
    await stage.until(stage.moves)
    assert await stage.told() == ("open", RATE)
    await asyncio.to_thread(getattr(ledger, leaves))
    try:
        await stage.until(stage.is_paused)
        stood = await stage.frontier()
        await stage.until(_ended(loop))
        assert await stage.frontier() == stood
        assert await stage.is_paused()
    finally:
        await asyncio.to_thread(getattr(ledger, comes_back))
    await stage.until(stage.moves)
    assert await stage.told() == ("open", RATE)
    loop.stop()
    await end_tasks([leading])


def _ended(loop: DutyLoop) -> Callable[[], Awaitable[bool]]:
    async def ended() -> bool:
        return not loop.leading

    return ended


async def test_without_the_pulse_people_are_let_in_to_a_till_that_sells_nothing(
    stage: Stage, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the steps of a keeper that feels nothing and does not know yet that its leadership has ended."""
    monkeypatch.setattr(stage.timetable.pulse, "beat", lambda: 0.0)
    fence = Fence("frontier", 1_000_000)
    await stage.timetable._advance(fence)
    ledger.freeze()
    try:
        await asyncio.sleep(STILL_SECONDS)
        before = await stage.frontier()
        await stage.timetable._advance(fence)
        assert await stage.frontier() > before
        assert await stage.told() == ("open", RATE)
    finally:
        ledger.thaw()
