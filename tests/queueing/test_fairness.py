"""First come, first served and one place a user, with many processes asking at once; each race with its control."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from kit.redis import RedisRoles
from queueing import keys
from queueing.batches import JoinBatches
from queueing.rooms import RoomPlan

JOINS = 400
PROCESSES = 8

Join = Callable[[int, str], Awaitable[int]]


async def test_whoever_was_answered_before_another_asked_stands_before_them(
    opened: RoomPlan, redis_roles: RedisRoles
) -> None:
    """Control: positions handed to processes in ranges are unique too, and invert the order of coming."""

    processes = [JoinBatches(redis_roles.queue) for _ in range(PROCESSES)]

    async def through_redis(process: int, user_id: str) -> int:
        return (await processes[process].join(opened.sale_id, user_id, seen=0)).position

    ranges = [iter(range(process * JOINS, (process + 1) * JOINS)) for process in range(PROCESSES)]

    async def from_a_range(process: int, _user_id: str) -> int:
        await asyncio.sleep(0)
        return next(ranges[process])

    assert _inversions(await _crowd(from_a_range)) > 0
    assert _inversions(await _crowd(through_redis)) == 0


async def test_a_user_who_asks_many_times_at_once_gets_one_place(
    opened: RoomPlan, redis_roles: RedisRoles
) -> None:
    """Control: looking first and writing then, in two round trips, gives the same user several places."""
    processes = [JoinBatches(redis_roles.queue) for _ in range(PROCESSES)]
    asking = [processes[n % PROCESSES].join(opened.sale_id, "ann", seen=0) for n in range(50)]
    answers = await asyncio.gather(*asking)
    assert {answer.position for answer in answers} == {0}
    assert sorted(answer.outcome for answer in answers) == ["again"] * 49 + ["first"]

    naive = await asyncio.gather(*(_look_then_write(redis_roles.queue, opened.sale_id) for _ in range(50)))
    assert len(set(naive)) > 1


async def _look_then_write(queue: Redis, sale_id: str) -> int:
    bucket, digest = keys.place(sale_id, "bob")
    if (place := await queue.hget(bucket, digest)) is not None:
        return int(place)
    position: int = await queue.hincrby(keys.room(sale_id), "next", 1)
    await queue.hset(bucket, digest, position)
    return position


async def _crowd(join: Join) -> list[tuple[int, int, int]]:
    """Shoppers over several processes; each with the moment of asking, of being answered, and the position."""
    moments = iter(range(10 * JOINS))
    dice = random.Random(11)
    told: list[tuple[int, int, int]] = []

    async def shopper(number: int, process: int) -> None:
        for _ in range(dice.randrange(20)):
            await asyncio.sleep(0)
        asked = next(moments)
        position = await join(process, f"user-{number}")
        told.append((asked, next(moments), position))

    await asyncio.gather(*(shopper(number, dice.randrange(PROCESSES)) for number in range(JOINS)))
    return told


def _inversions(told: list[tuple[int, int, int]]) -> int:
    """Pairs of which one was answered before the other asked, and stands behind all the same."""
    answered = sorted((answer, position) for _, answer, position in told)
    count, behind, place = 0, -1, 0
    for asked, _, position in sorted(told):
        while place < len(answered) and answered[place][0] < asked:
            behind = max(behind, answered[place][1])
            place += 1
        count += position < behind
    return count
