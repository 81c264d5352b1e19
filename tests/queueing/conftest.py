"""A waiting room of its own for each test, on the real servers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from kit.clock import SteppedClock
from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.signing import Keyring
from queueing.board import RoomBoard
from queueing.rooms import RoomPlan, open_room
from queueing.service import WaitingRoom
from queueing.settings import QueueingSettings
from queueing.upkeep import load_rooms

KEYS = "k1:" + "s" * 32


@dataclass
class Door:
    """One process's view of a waiting room."""

    room: WaitingRoom
    board: RoomBoard
    clock: SteppedClock


@pytest.fixture
def settings() -> QueueingSettings:
    return QueueingSettings(keys=KEYS)


@pytest.fixture
def keyring(settings: QueueingSettings) -> Keyring:
    return Keyring.parse(settings.keys, variable="QUEUEING_KEYS")


@pytest.fixture
def make_door(
    redis_roles: RedisRoles, settings: QueueingSettings, keyring: Keyring
) -> Callable[[], Awaitable[Door]]:
    """Another gateway process, as far as the room can tell."""

    async def make() -> Door:
        clock = SteppedClock()
        board = RoomBoard(redis_roles.queue, clock, settings)
        await board.refresh()
        return Door(WaitingRoom(redis_roles.queue, board, keyring, clock, settings), board, clock)

    return make


@pytest.fixture
def plan(sale_id: str) -> RoomPlan:
    """A sale that opened a minute ago and goes on for an hour."""
    now = datetime.now(UTC)
    return RoomPlan(sale_id, now - timedelta(minutes=1), now + timedelta(hours=1), 100)


@pytest.fixture
async def opened(postgres: Postgres, redis_roles: RedisRoles, plan: RoomPlan) -> AsyncIterator[RoomPlan]:
    async with postgres.unit_of_work() as session:
        await open_room(session, plan)
    await load_rooms(postgres, redis_roles.queue)
    yield plan
