"""A write whose answer is lost runs once; redis-py's defaults would run it again and again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from kit.embedded.wire import ALWAYS, Wire
from kit.errors import StartRefused
from kit.redis import RedisRoles, connect, is_away
from kit.settings import RedisSettings


@asynccontextmanager
async def losing_answers(settings: RedisSettings, command: bytes) -> AsyncIterator[str]:
    """The URL of a Redis that hears everything and whose answers to `command` never arrive."""
    async with Wire(settings.redis_stock_url) as wire:
        wire.next("lost_reply", times=ALWAYS, asked=command)
        yield wire.url


async def test_a_write_whose_answer_is_lost_runs_once(
    redis_settings: RedisSettings, redis_roles: RedisRoles
) -> None:
    key = f"test:{uuid4().hex}"
    async with losing_answers(redis_settings, b"INCR") as url:
        client = connect(url, redis_settings, purpose="stock")
        with pytest.raises(RedisConnectionError):
            await client.incr(key)
        await client.aclose()
    assert int(await redis_roles.stock.get(key)) == 1


async def test_control_with_the_librarys_default_it_runs_more_than_once(
    redis_settings: RedisSettings, redis_roles: RedisRoles
) -> None:
    key = f"test:{uuid4().hex}"
    async with losing_answers(redis_settings, b"INCR") as url:
        place = urlsplit(url)
        client = Redis(host=str(place.hostname), port=place.port or 0, db=int(place.path.strip("/") or 0))
        with pytest.raises(RedisConnectionError):
            await client.incr(key)
        await client.aclose()
    assert int(await redis_roles.stock.get(key)) > 1


async def test_a_pipeline_whose_answer_is_lost_runs_once(
    redis_settings: RedisSettings, redis_roles: RedisRoles
) -> None:
    key = f"test:{uuid4().hex}"
    async with losing_answers(redis_settings, b"INCR") as url:
        client = connect(url, redis_settings, purpose="stock")
        pipeline = client.pipeline(transaction=False)
        pipeline.incr(key)
        with pytest.raises(RedisConnectionError):
            await pipeline.execute()
        await client.aclose()
    assert int(await redis_roles.stock.get(key)) == 1


@pytest.mark.parametrize("url", ["", "mysql://x", "localhost:6379", "redis://h:port/0", "http://x"])
def test_what_is_no_redis_address_refuses_the_start_and_names_the_variable(url: str) -> None:
    with pytest.raises(StartRefused, match="REDIS_STOCK_URL"):
        connect(url, RedisSettings(), purpose="stock")


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (RedisConnectionError(), True),
        (TimeoutError(), True),
        (OSError(), True),
        (ResponseError("LOADING Redis is loading the dataset in memory"), True),
        (ResponseError("OOM command not allowed"), True),
        (ResponseError("ERR value is not an integer or out of range"), False),
        (ResponseError("WRONGTYPE Operation"), False),
        (ValueError(), False),
    ],
    ids=str,
)
def test_away_is_told_from_a_fault_of_ours(error: Exception, *, away: bool) -> None:
    assert is_away(error) is away
