"""Scripts survive a Redis that has forgotten them, in pipelines too, without a doubled effect."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from kit import lua
from kit.cluster import Command
from kit.lua import LuaCall, LuaScript, run_all
from kit.redis import RedisRoles

# A script of this test alone: no flush is needed for Redis not to know it, and no other test is disturbed.
COUNT = "-- {mark}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])"


def a_script() -> LuaScript:
    return LuaScript(COUNT.format(mark=uuid4().hex))


async def test_a_script_redis_does_not_know_is_loaded_and_run_once(redis_roles: RedisRoles) -> None:
    script, key = a_script(), f"test:{uuid4().hex}"
    with pytest.raises(NoScriptError):
        await redis_roles.stock.evalsha(script.sha, 1, key, 5)
    assert await script.run(redis_roles.stock, [key], [5]) == 5
    assert await script.run(redis_roles.stock, [key], [5]) == 10


async def test_in_a_pipeline_each_call_has_its_effect_once_and_its_answer_in_its_place(
    redis_roles: RedisRoles,
) -> None:
    """Control: redis-py's own pipeline answers NOSCRIPT and leaves it at that."""
    known, unknown, keys = a_script(), a_script(), [f"test:{uuid4().hex}" for _ in range(4)]
    await redis_roles.stock.script_load(known.source)
    pipeline = redis_roles.stock.pipeline(transaction=False)
    pipeline.evalsha(unknown.sha, 1, keys[3], 1)
    (answer,) = await pipeline.execute(raise_on_error=False)
    assert isinstance(answer, NoScriptError)
    calls = [
        LuaCall(known, [keys[0]], [1]),
        LuaCall(unknown, [keys[1]], [2]),
        LuaCall(known, [keys[0]], [10]),
        LuaCall(unknown, [keys[2]], [3]),
    ]
    assert await run_all(redis_roles.stock, calls) == [1, 2, 11, 3]
    assert [int(await redis_roles.stock.get(key)) for key in keys[:3]] == [11, 2, 3]


async def test_a_redis_that_forgets_before_each_round_trip_still_runs_every_call(
    redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was loaded and sent again once, and forgotten between the two."""
    send = lua._send

    async def forget_and_send(
        client: Redis, calls: Sequence[LuaCall], commands: Sequence[Command]
    ) -> list[Any]:
        await client.script_flush()
        return await send(client, calls, commands)

    monkeypatch.setattr(lua, "_send", forget_and_send)
    key = f"test:{uuid4().hex}"
    assert await a_script().run(redis_roles.stock, [key], [5]) == 5
    assert int(await redis_roles.stock.get(key)) == 5


async def test_a_call_that_fails_leaves_the_others_alone(redis_roles: RedisRoles) -> None:
    script, good, bad = a_script(), f"test:{uuid4().hex}", f"test:{uuid4().hex}"
    await redis_roles.stock.set(bad, "no number")
    first, failed, last = await run_all(
        redis_roles.stock,
        [LuaCall(script, [good], [1]), LuaCall(script, [bad], [1]), LuaCall(script, [good], [1])],
    )
    assert (first, last) == (1, 2)
    assert isinstance(failed, ResponseError)


async def test_nothing_to_run_is_no_round_trip(redis_roles: RedisRoles) -> None:
    assert await run_all(redis_roles.stock, []) == []
