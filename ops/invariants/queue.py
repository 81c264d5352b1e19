"""The waiting room's Redis against its durable mark: no number is given that a loss of Redis could give again."""

from typing import Final

from redis.asyncio import Redis

from kit.postgres import Postgres
from queueing.rooms import RoomFacts, list_rooms
from queueing.store import HeldRoom, inspect

QUEUE_TRUTH: Final = ("room_marks_durable", "the waiting room never numbers beyond what is durable")


def is_beyond_mark(room: RoomFacts, held: HeldRoom) -> bool:
    """Whether Redis may hand out, or has handed out, a position at or above the committed mark."""
    if held.outcome == "absent" or held.epoch != room.epoch:
        return False  # it hands out nothing until it is loaded again, from the mark upward
    return held.mark > room.position_mark or held.next > room.position_mark


async def find_beyond_mark(postgres: Postgres, queue: Redis, sale_id: str | None) -> list[str]:
    """The sales whose room is beyond its mark. Raises `Unavailable`, redis errors.

    Redis is asked before PostgreSQL: marks only grow, and each is committed before Redis learns it.
    """
    async with postgres.read() as session:
        sale_ids = [room.sale_id for room in await list_rooms(session) if sale_id in {None, room.sale_id}]
    held = await inspect(queue, sale_ids)
    async with postgres.read() as session:
        rooms = [room for room in await list_rooms(session) if room.sale_id in held]
    return [room.sale_id for room in rooms if is_beyond_mark(room, held[room.sale_id])]
