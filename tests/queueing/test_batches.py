"""Many joins, one connection; nobody who waits is left without an answer."""

import asyncio

import pytest
from redis.asyncio import Redis
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


async def test_a_crowded_sale_delays_another_by_one_batch_at_most(
    opened: RoomPlan, redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_MAX", 10)
    sent: list[list[int]] = []
    real = batches.run_all

    async def counted(queue: Redis, calls: list[LuaCall]) -> list[object]:
        sent.append([len(call.keys) - 1 for call in calls])
        return await real(queue, calls)

    monkeypatch.setattr(batches, "run_all", counted)
    joins = JoinBatches(redis_roles.queue)
    crowd = [joins.join("crowded-sale", f"u{n}") for n in range(40)]
    few = [joins.join(opened.sale_id, f"u{n}") for n in range(3)]
    answers = await asyncio.gather(*crowd, *few)
    assert sent[0] == [5, 3], "one call a sale, each with an even share"
    assert {answer.outcome for answer in answers[:40]} == {"not_loaded"}, "its trouble is its own"
    assert {answer.outcome for answer in answers[40:]} == {"first"}


async def test_one_user_twice_in_a_batch_has_one_place(opened: RoomPlan, redis_roles: RedisRoles) -> None:
    joins = JoinBatches(redis_roles.queue)
    answers = await asyncio.gather(
        *(joins.join(opened.sale_id, user) for user in ("ann", "ben", "ann", "ann"))
    )
    assert [answer.outcome for answer in answers] == ["first", "first", "again", "again"]
    assert [answer.position for answer in answers] == [0, 1, 0, 0]


async def test_who_waited_too_long_is_not_asked_for(
    opened: RoomPlan, redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WAITING_SECONDS_MAX", -1.0)
    joins = JoinBatches(redis_roles.queue)
    with pytest.raises(QueueUnavailable):
        await joins.join(opened.sale_id, "ann")
    monkeypatch.undo()
    assert (await joins.join(opened.sale_id, "ben")).position == 0
