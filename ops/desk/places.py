"""Places in line, asked of the waiting room's Redis."""

from redis.asyncio import Redis

from ops.desk.gather import PlaceFinder
from queueing.service import find_place


def place_finder(queue: Redis) -> PlaceFinder:
    """How the desk finds a shopper's place. What it returns raises `QueueUnavailable`."""

    async def find(sale_id: str, user_id: str) -> int | None:
        return await find_place(queue, sale_id, user_id)

    return find
