"""A Redis of its own that is killed and comes back with yesterday's file: positions are never given twice."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from kit.clock import SteppedClock
from kit.lua import LuaScript
from kit.postgres import Postgres
from kit.redis import connect
from kit.settings import RedisSettings
from kit.signing import Keyring
from queueing import keys, store
from queueing.batches import JoinBatches
from queueing.board import RoomBoard
from queueing.errors import QueueUnavailable
from queueing.rooms import RoomPlan, open_room
from queueing.service import WaitingRoom
from queueing.settings import QueueingSettings
from queueing.upkeep import load_rooms, persist_marks
from tests.oldredis import OldRedis
from tests.queueing.conftest import Door


@pytest.fixture
async def queue(old_redis: OldRedis) -> AsyncIterator[Redis]:
    client = connect(old_redis.url, RedisSettings(), purpose="queue")
    yield client
    await client.aclose()


@pytest.fixture
async def loaded(postgres: Postgres, queue: Redis, plan: RoomPlan) -> RoomPlan:
    async with postgres.unit_of_work() as session:
        await open_room(session, plan)
    await load_rooms(postgres, queue)
    return plan


@pytest.fixture
async def door(queue: Redis, loaded: RoomPlan, keyring: Keyring, settings: QueueingSettings) -> Door:
    return await _door(queue, keyring, settings)


async def test_without_the_guard_a_redis_that_came_back_old_gives_positions_twice(
    old_redis: OldRedis, queue: Redis, loaded: RoomPlan, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the same loss with the one condition removed that binds a room to its server process."""
    unguarded = store.JOIN.source.replace("if not room[1] or room[1] ~= run then", "if not room[1] then")
    assert unguarded != store.JOIN.source
    given = await _lose_the_last_ten(old_redis, queue, door, loaded.sale_id)
    monkeypatch.setattr(store, "JOIN", LuaScript(unguarded))
    again = [
        (await JoinBatches(queue).join(loaded.sale_id, f"after-{n}", seen=0)).position for n in range(10)
    ]
    assert set(again) & set(given.values())


async def test_a_redis_that_came_back_old_gives_no_position_twice(
    postgres: Postgres, old_redis: OldRedis, queue: Redis, loaded: RoomPlan, door: Door, keyring: Keyring,
    settings: QueueingSettings,
) -> None:  # fmt: skip
    """Refused until the keeper has loaded the room; a gateway that started after the loss knows no better."""
    given = await _lose_the_last_ten(old_redis, queue, door, loaded.sale_id)
    fresh = await _door(queue, keyring, settings)
    for gateway in (door, fresh):
        with pytest.raises(QueueUnavailable):
            await gateway.room.join(loaded.sale_id, "after-0")
    assert (await door.room.join(loaded.sale_id, "before-0")).position == given["before-0"]

    await load_rooms(postgres, queue)
    await fresh.board.refresh()
    after = [(await fresh.room.join(loaded.sale_id, f"after-{n}")).position for n in range(10)]
    everybody = [*given.values(), *after]
    assert len(set(everybody)) == len(everybody)
    assert min(after) > max(given.values())  # and first come, first served holds across the loss


async def test_a_place_that_redis_forgot_is_kept_by_its_ticket(
    postgres: Postgres, old_redis: OldRedis, queue: Redis, loaded: RoomPlan, door: Door
) -> None:
    await door.room.join(loaded.sale_id, "someone-before")
    old_redis.remember()
    ticket = await door.room.join(loaded.sale_id, "ann")
    old_redis.come_back_old()
    await queue.connection_pool.disconnect()  # else the first command meets the old server's socket
    await load_rooms(postgres, queue)
    await queue.hset(keys.room(loaded.sale_id), "frontier", ticket.position + 1)
    await door.board.refresh()
    assert door.room.admit(loaded.sale_id, "ann", ticket.token).position == ticket.position


async def test_a_room_that_goes_back_under_a_running_server_is_shut_by_whoever_notices(
    postgres: Postgres, queue: Redis, loaded: RoomPlan, door: Door
) -> None:
    """Keys restored by hand: the process that has seen later positions shuts the room for all."""
    given = {(await door.room.join(loaded.sale_id, f"u{n}")).position for n in range(5)}
    await queue.hset(keys.room(loaded.sale_id), "next", 2)
    with pytest.raises(QueueUnavailable):
        await door.room.join(loaded.sale_id, "late")
    assert (await JoinBatches(queue).join(loaded.sale_id, "late", seen=0)).outcome == "not_loaded"
    await load_rooms(postgres, queue)
    assert (await door.room.join(loaded.sale_id, "late")).position not in given


async def test_the_keeper_notices_a_room_that_fell_behind_what_is_durable(
    postgres: Postgres, queue: Redis, loaded: RoomPlan, door: Door
) -> None:
    given = {(await door.room.join(loaded.sale_id, f"u{n}")).position for n in range(5)}
    async with postgres.unit_of_work() as session:
        await persist_marks(session, queue)
    await queue.hset(keys.room(loaded.sale_id), "next", 2)
    await load_rooms(postgres, queue)
    assert (await JoinBatches(queue).join(loaded.sale_id, "late", seen=0)).position not in given


async def test_while_redis_is_away_the_last_view_stays_and_says_it_is_stale(
    old_redis: OldRedis, queue: Redis, loaded: RoomPlan, door: Door
) -> None:
    before = door.board.view(loaded.sale_id)
    old_redis.server.stop()
    await door.board.refresh()
    after = door.board.view(loaded.sale_id)
    assert (before.stale, after.stale) == (False, True)
    assert (after.state, after.frontier, after.opens_at) == ("open", before.frontier, before.opens_at)
    with pytest.raises(QueueUnavailable):
        await door.room.join(loaded.sale_id, "ann")
    with pytest.raises(QueueUnavailable):
        await door.room.find_place(loaded.sale_id, "ann")
    old_redis.server.start()


async def _lose_the_last_ten(old_redis: OldRedis, queue: Redis, door: Door, sale_id: str) -> dict[str, int]:
    given = {f"before-{n}": (await door.room.join(sale_id, f"before-{n}")).position for n in range(5)}
    old_redis.remember()
    given |= {f"lost-{n}": (await door.room.join(sale_id, f"lost-{n}")).position for n in range(10)}
    old_redis.come_back_old()
    await queue.connection_pool.disconnect()  # else the first command meets the old server's socket
    return given


async def _door(queue: Redis, keyring: Keyring, settings: QueueingSettings) -> Door:
    clock = SteppedClock()
    board = RoomBoard(queue, clock, settings)
    await board.refresh()
    return Door(WaitingRoom(queue, board, keyring, clock, settings), board, clock)
