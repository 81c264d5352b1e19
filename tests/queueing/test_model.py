"""Random lives of a waiting room against a list: what was ever given, in the order of giving.

Joins through several processes, keepers that persist and load, a Redis that loses everything or comes back with an
older state: whatever the order, a position is given once and later comers stand behind earlier ones.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from kit.postgres import Postgres
from kit.redis import RedisRoles
from queueing import keys
from queueing.errors import QueueUnavailable
from queueing.rooms import RoomPlan, list_rooms
from queueing.upkeep import advance, load_rooms, persist_marks
from tests.queueing.conftest import Door

STEPS = 120


@dataclass
class Life:
    """One room, its processes, and the model: the positions given so far."""

    postgres: Postgres
    queue: Redis
    sale_id: str
    doors: list[Door]
    dice: random.Random
    given: list[int] = field(default_factory=list)
    refused: int = 0
    snapshot: dict[bytes, bytes] = field(default_factory=dict)
    frontier: int = 0

    async def join(self) -> None:
        door = self.dice.choice(self.doors)
        try:
            ticket = await door.room.join(self.sale_id, f"user-{len(self.given)}-{self.refused}")
        except QueueUnavailable:
            self.refused += 1
            return
        assert ticket.first
        assert ticket.position > max(self.given, default=-1)
        self.given.append(ticket.position)

    async def persist(self) -> None:
        async with self.postgres.unit_of_work() as session:
            await persist_marks(session, self.queue)

    async def load(self) -> None:
        await load_rooms(self.postgres, self.queue)

    async def advance(self) -> None:
        await advance(self.queue, [self.sale_id], fence=1)

    async def remember(self) -> None:
        self.snapshot = await self.queue.hgetall(keys.room(self.sale_id)) or self.snapshot

    async def lose(self) -> None:
        await self.queue.delete(keys.room(self.sale_id))

    async def come_back_old(self) -> None:
        """As a restart leaves it: an older hash that belongs to a server process that is gone."""
        await self.lose()
        await self.queue.hset(keys.room(self.sale_id), mapping={**self.snapshot, b"run": b"gone"})

    async def check(self) -> None:
        async with self.postgres.read() as session:
            room = next(room for room in await list_rooms(session) if room.sale_id == self.sale_id)
        assert max(self.given, default=-1) < room.position_mark
        assert room.frontier >= self.frontier
        self.frontier = room.frontier


@pytest.mark.parametrize("seed", range(8))
async def test_no_life_of_a_room_gives_a_position_twice_or_out_of_order(
    postgres: Postgres,
    redis_roles: RedisRoles,
    opened: RoomPlan,
    make_door: Callable[[], Awaitable[Door]],
    seed: int,
) -> None:
    doors = [await make_door() for _ in range(3)]
    life = Life(postgres, redis_roles.queue, opened.sale_id, doors, random.Random(seed))
    await life.remember()
    steps = [life.join] * 12 + [
        life.persist,
        life.load,
        life.load,
        life.load,
        life.advance,
        life.advance,
        life.remember,
    ]
    steps += [life.lose, life.come_back_old]
    for _ in range(STEPS):
        await life.dice.choice(steps)()
        await life.check()
    assert life.given
    assert life.refused
