"""Many joins, one connection; nobody who waits is left without an answer."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from kit.lua import LuaCall
from kit.redis import RedisRoles
from kit.settings import RedisSettings
from queueing import batches, store
from queueing.batches import JoinBatches
from queueing.errors import QueueUnavailable
from queueing.rooms import RoomPlan


async def test_a_crowd_joins_at_once_in_the_order_of_coming(
    opened: RoomPlan, redis_roles: RedisRoles
) -> None:
    joins = JoinBatches(redis_roles.queue)
    crowd = 5 * batches.BATCH_MAX
    answers = await asyncio.gather(*(joins.join(opened.sale_id, f"u{n}", seen=0) for n in range(crowd)))
    assert [answer.position for answer in answers] == list(range(crowd))


async def test_who_leaves_while_waiting_keeps_nobody_else_from_an_answer(
    opened: RoomPlan, redis_roles: RedisRoles
) -> None:
    joins = JoinBatches(redis_roles.queue)
    asking = [asyncio.create_task(joins.join(opened.sale_id, f"u{n}", seen=0)) for n in range(10)]
    await asyncio.sleep(0)
    asking[3].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[3], asyncio.CancelledError)
    assert all(isinstance(answer, store.JoinAnswer) for n, answer in enumerate(answers) if n != 3)


async def test_a_lost_connection_is_told_to_all_who_wait_and_the_next_batch_goes_on(
    opened: RoomPlan, redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(_queue: object, _calls: list[LuaCall]) -> list[object]:
        raise RedisConnectionError

    joins = JoinBatches(redis_roles.queue)
    with monkeypatch.context() as patched:
        patched.setattr(batches, "run_all", lost)
        asking = (joins.join(opened.sale_id, f"u{n}", seen=0) for n in range(3))
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
    assert (await joins.join(opened.sale_id, "u0", seen=0)).outcome == "first"


async def test_beyond_the_bound_people_are_sent_back_at_once(
    opened: RoomPlan, redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WAITING_MAX", 2)
    joins = JoinBatches(redis_roles.queue)
    asking = (joins.join(opened.sale_id, f"u{n}", seen=0) for n in range(5))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(answer, QueueUnavailable) for answer in answers) == 3


async def test_the_pool_of_connections_does_not_bound_the_crowd(
    opened: RoomPlan, redis_roles: RedisRoles, redis_settings: RedisSettings
) -> None:
    joins = JoinBatches(redis_roles.queue)
    crowd = 4 * redis_settings.redis_connections_max
    answers = await asyncio.gather(*(joins.join(opened.sale_id, f"u{n}", seen=0) for n in range(crowd)))
    assert {answer.outcome for answer in answers} == {"first"}
