"""The keeper's duties: the pace of the frontier, durable marks, rooms that Redis has lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import update

from kit.lua import LuaScript
from kit.postgres import Postgres
from kit.redis import RedisRoles
from queueing import keys, store, upkeep
from queueing.errors import QueueUnavailable
from queueing.models import Room
from queueing.rooms import RoomFacts, RoomPlan, list_rooms, open_room
from queueing.rules import queue_document
from queueing.upkeep import LEASE_POSITIONS, advance, load_rooms, persist_marks
from tests.queueing.conftest import Door

MakeDoor = Callable[[], Awaitable[Door]]
SECOND_US = 1_000_000


@pytest.fixture
def queue(redis_roles: RedisRoles) -> Redis:
    return redis_roles.queue


async def test_two_keepers_at_once_move_the_frontier_no_faster_than_one(
    opened: RoomPlan, queue: Redis
) -> None:
    """Control: a step that adds its share whenever it is called doubles the pace as soon as two keepers tick."""
    await _issue(queue, opened.sale_id, 1000)
    await advance(queue, [opened.sale_id], fence=1)
    before, start = await _frontier(queue, opened.sale_id), await _redis_us(queue)
    for _ in range(5):
        await asyncio.gather(*(advance(queue, [opened.sale_id], fence=1) for _ in range(4)))
        await asyncio.sleep(0.02)
    moved, elapsed_us = await _frontier(queue, opened.sale_id) - before, await _redis_us(queue) - start
    assert moved <= opened.rate_per_second * elapsed_us / SECOND_US + 1

    naive = LuaScript("return redis.call('HINCRBY', KEYS[1], 'frontier', ARGV[1])")
    before, start = await _frontier(queue, opened.sale_id), await _redis_us(queue)
    for _ in range(5):
        share = opened.rate_per_second // 4
        await asyncio.gather(*(naive.run(queue, [keys.room(opened.sale_id)], [share]) for _ in range(2)))
    moved, elapsed_us = await _frontier(queue, opened.sale_id) - before, await _redis_us(queue) - start
    assert moved > opened.rate_per_second * elapsed_us / SECOND_US + 1


async def test_a_pause_of_all_keepers_lets_in_one_seconds_worth_and_no_more(
    opened: RoomPlan, queue: Redis
) -> None:
    await _issue(queue, opened.sale_id, 5000)
    assert (await advance(queue, [opened.sale_id], fence=1))[
        opened.sale_id
    ].frontier == opened.rate_per_second
    await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - 60 * SECOND_US)
    step = (await advance(queue, [opened.sale_id], fence=1))[opened.sale_id]
    assert step.frontier == 2 * opened.rate_per_second


async def test_small_steps_lose_nothing_of_the_rate(opened: RoomPlan, queue: Redis) -> None:
    """Ticks far shorter than one position's time: what is left over stays in the clock."""
    await _issue(queue, opened.sale_id, 5000)
    await advance(queue, [opened.sale_id], fence=1)
    before, tick = await _frontier(queue, opened.sale_id), await _tick_us(queue, opened.sale_id)
    for _ in range(60):
        await advance(queue, [opened.sale_id], fence=1)
        await asyncio.sleep(0.002)
    moved = await _frontier(queue, opened.sale_id) - before
    assert moved > 0
    ticked_us = await _tick_us(queue, opened.sale_id) - tick
    assert abs(moved * SECOND_US / opened.rate_per_second - ticked_us) < 1000


async def test_the_frontier_waits_for_people_instead_of_running_ahead_of_them(
    opened: RoomPlan, queue: Redis
) -> None:
    """A quiet hour must not save up an hour's worth of places for the crowd that comes after it."""
    await _issue(queue, opened.sale_id, 3)
    for _ in range(5):
        await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - 60 * SECOND_US)
        step = (await advance(queue, [opened.sale_id], fence=1))[opened.sale_id]
    assert step.frontier == 3 + opened.rate_per_second


async def test_the_step_of_an_earlier_leader_is_refused(opened: RoomPlan, queue: Redis) -> None:
    await _issue(queue, opened.sale_id, 1000)
    await advance(queue, [opened.sale_id], fence=7)
    frontier = await _frontier(queue, opened.sale_id)
    await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - SECOND_US)
    assert (await advance(queue, [opened.sale_id], fence=6))[opened.sale_id].outcome == "fenced"
    assert await _frontier(queue, opened.sale_id) == frontier
    assert (await advance(queue, [opened.sale_id], fence=8))[opened.sale_id].outcome == "advanced"


async def test_a_paused_room_stands_still_and_the_board_says_so(
    postgres: Postgres, queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    await _issue(queue, opened.sale_id, 1000)
    async with postgres.unit_of_work() as session:
        await session.execute(update(Room).where(Room.sale_id == opened.sale_id).values(paused=True))
    await load_rooms(postgres, queue)
    assert (await advance(queue, [opened.sale_id], fence=1))[opened.sale_id].outcome == "stands"
    assert (await make_door()).board.view(opened.sale_id).state == "paused"


async def test_a_frontier_nobody_moves_is_shown_as_paused(
    queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    await advance(queue, [opened.sale_id], fence=1)
    door = await make_door()
    assert door.board.view(opened.sale_id).state == "open"
    await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - 6 * SECOND_US)
    await door.board.refresh()
    assert door.board.view(opened.sale_id).state == "paused"


@pytest.mark.parametrize(("rate", "pace", "moved"), [(100, 0.5, 50), (1, 0.5, 1), (100, 0, 0)])
async def test_the_pace_is_a_part_of_the_rate_and_of_a_slow_one_still_a_position(
    postgres: Postgres, queue: Redis, opened: RoomPlan, rate: int, pace: float, moved: int
) -> None:
    async with postgres.unit_of_work() as session:
        await open_room(session, replace(opened, rate_per_second=rate))
    await load_rooms(postgres, queue)
    await _issue(queue, opened.sale_id, 5000)
    await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - 60 * SECOND_US)
    await advance(queue, [opened.sale_id], fence=1, pace=pace)
    assert await _frontier(queue, opened.sale_id) == moved


async def test_the_document_tells_the_rate_of_now_and_no_pace_at_all_is_a_pause(
    queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    door, told = await make_door(), []
    for pace in (1.0, 0.25, 0.0, 1.0):
        await advance(queue, [opened.sale_id], fence=1, pace=pace)
        await door.board.refresh()
        document = queue_document(door.board.view(opened.sale_id), {}, False, door.clock.now())
        told.append((document["state"], document["rate_per_second"]))
    assert told == [("open", 100), ("open", 25), ("paused", 0), ("open", 100)]


async def test_a_change_of_rate_and_window_reaches_redis(
    postgres: Postgres, queue: Redis, opened: RoomPlan
) -> None:
    later = opened.closes_at + timedelta(minutes=5)
    async with postgres.unit_of_work() as session:
        await open_room(session, replace(opened, rate_per_second=7, closes_at=later))
    assert opened.sale_id in await load_rooms(postgres, queue)
    held = (await store.inspect(queue, [opened.sale_id]))[opened.sale_id]
    assert (held.rate_per_second, held.closes_ms, held.epoch) == (7, store.to_ms(later), 1)


async def test_marks_are_durable_before_they_are_leased(
    postgres: Postgres, queue: Redis, opened: RoomPlan
) -> None:
    await _issue(queue, opened.sale_id, 50)
    async with postgres.unit_of_work() as session:
        await persist_marks(session, queue)
        held = (await store.inspect(queue, [opened.sale_id]))[opened.sale_id]
        assert held.mark == LEASE_POSITIONS  # nothing leased while the transaction may still fail
    facts = await _facts(postgres, opened.sale_id)
    held = (await store.inspect(queue, [opened.sale_id]))[opened.sale_id]
    assert (facts.issued, facts.position_mark, held.mark) == (50, 50 + LEASE_POSITIONS, 50 + LEASE_POSITIONS)


async def test_beyond_the_leased_mark_nobody_gets_a_place(
    queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    await _set(queue, opened.sale_id, mark=2)
    assert [(await door.room.join(opened.sale_id, f"u{n}")).position for n in range(2)] == [0, 1]
    with pytest.raises(QueueUnavailable):
        await door.room.join(opened.sale_id, "u2")
    assert (await door.room.join(opened.sale_id, "u0")).position == 0


async def test_a_lease_from_before_a_loss_is_not_extended_after_it(
    postgres: Postgres, queue: Redis, opened: RoomPlan
) -> None:
    """A keeper that read the room before another loaded it anew must not lease positions the new epoch gives."""
    stale = await _facts(postgres, opened.sale_id)
    held = (await store.inspect(queue, [opened.sale_id]))[opened.sale_id]
    assert await _persist_again(postgres, stale, held) == LEASE_POSITIONS
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(Room).where(Room.sale_id == opened.sale_id).values(epoch=stale.epoch + 1)
        )
    assert await _persist_again(postgres, stale, held) is None


async def test_an_empty_redis_goes_on_from_the_durable_mark_and_leaps_what_was_lost(
    postgres: Postgres, queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    for n in range(3):
        await door.room.join(opened.sale_id, f"before-{n}")
    async with postgres.unit_of_work() as session:
        await persist_marks(session, queue)
    await _lose(queue, opened.sale_id)
    with pytest.raises(QueueUnavailable):
        await door.room.join(opened.sale_id, "during")
    await load_rooms(postgres, queue)
    mark = 3 + LEASE_POSITIONS
    assert (await door.room.join(opened.sale_id, "after")).position == mark
    # Three before the gap, one behind it, and one second's worth of the rate: the gap itself takes no time.
    assert (await advance(queue, [opened.sale_id], fence=1))[opened.sale_id].frontier == mark + 97
    await door.board.refresh()
    assert door.board.view(opened.sale_id).gaps == ((3, mark),)


async def test_a_room_is_loaded_once_however_many_keepers_look(
    postgres: Postgres, queue: Redis, opened: RoomPlan
) -> None:
    await _lose(queue, opened.sale_id)
    await asyncio.gather(*(load_rooms(postgres, queue) for _ in range(4)))
    facts = await _facts(postgres, opened.sale_id)
    held = (await store.inspect(queue, [opened.sale_id]))[opened.sale_id]
    assert (held.outcome, held.epoch) == ("held", facts.epoch)
    assert held.next <= held.mark <= facts.position_mark


async def test_the_frontier_survives_a_loss_and_never_falls_for_those_who_saw_it(
    postgres: Postgres, queue: Redis, opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    await _issue(queue, opened.sale_id, 1000)
    await advance(queue, [opened.sale_id], fence=1)
    async with postgres.unit_of_work() as session:
        await persist_marks(session, queue)
    await _set(queue, opened.sale_id, tick_us=await _redis_us(queue) - 60 * SECOND_US)
    await advance(queue, [opened.sale_id], fence=1)
    await door.board.refresh()
    shown = door.board.view(opened.sale_id).frontier
    await _lose(queue, opened.sale_id)
    await load_rooms(postgres, queue)
    assert await _frontier(queue, opened.sale_id) == opened.rate_per_second
    await door.board.refresh()
    assert door.board.view(opened.sale_id).frontier == shown == 2 * opened.rate_per_second


async def test_boards_forget_rooms_closed_for_days_and_no_others(
    postgres: Postgres, queue: Redis, opened: RoomPlan
) -> None:
    """Another system may share the server by mistake or in tests: its rooms are not ours to forget."""
    now_ms = store.to_ms(datetime.now(UTC))
    foreign, past = f"{opened.sale_id}-foreign", f"{opened.sale_id}-past"
    await queue.zadd(keys.ROOMS, {past: now_ms - 2 * 86_400_000, foreign: now_ms})
    await load_rooms(postgres, queue)
    listed = await store.room_ids(queue)
    assert (past in listed, foreign in listed, opened.sale_id in listed) == (False, True, True)
    await queue.zrem(keys.ROOMS, foreign)


async def _persist_again(postgres: Postgres, room: RoomFacts, held: store.HeldRoom) -> int | None:
    async with postgres.unit_of_work() as session:
        return await upkeep._persist(session, room, held)


async def _issue(queue: Redis, sale_id: str, count: int) -> None:
    """As if `count` shoppers had come."""
    await _set(queue, sale_id, next=count)


async def _set(queue: Redis, sale_id: str, **fields: int) -> None:
    await queue.hset(keys.room(sale_id), mapping={name: str(value) for name, value in fields.items()})


async def _lose(queue: Redis, sale_id: str) -> None:
    await queue.delete(keys.room(sale_id))
    await queue.zrem(keys.ROOMS, sale_id)


async def _frontier(queue: Redis, sale_id: str) -> int:
    return int(await queue.hget(keys.room(sale_id), "frontier"))


async def _tick_us(queue: Redis, sale_id: str) -> int:
    return int(await queue.hget(keys.room(sale_id), "tick_us"))


async def _redis_us(queue: Redis) -> int:
    seconds, micros = await queue.time()
    return seconds * SECOND_US + micros


async def _facts(postgres: Postgres, sale_id: str) -> RoomFacts:
    async with postgres.read() as session:
        return next(room for room in await list_rooms(session) if room.sale_id == sale_id)
