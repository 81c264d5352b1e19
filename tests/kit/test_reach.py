"""A server that is missing or wrongly addressed is told in one sentence, without the password."""

import pytest

from kit.embedded import ServerUrls
from kit.embedded.ports import free_port
from kit.errors import StartRefused
from kit.reach import place, reach_postgres, reach_redis
from kit.settings import PostgresSettings, RedisSettings


async def test_servers_that_answer_are_reached(servers: ServerUrls, redis_settings: RedisSettings) -> None:
    await reach_postgres(PostgresSettings(database_url=servers.database))
    await reach_redis(redis_settings)


async def test_a_missing_postgresql_is_named_without_its_password() -> None:
    port = free_port()
    settings = PostgresSettings(database_url=f"postgresql://me:secret@127.0.0.1:{port}/floodgate")
    with pytest.raises(StartRefused) as refused:
        await reach_postgres(settings, wait_seconds=0)
    assert f"No PostgreSQL answers at 127.0.0.1:{port}/floodgate" in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_database_that_does_not_exist_is_named(servers: ServerUrls) -> None:
    path, _, query = servers.database.partition("?")
    absent = f"{path.rpartition('/')[0]}/nowhere" + (f"?{query}" if query else "")
    with pytest.raises(StartRefused, match='database "nowhere" does not exist'):
        await reach_postgres(PostgresSettings(database_url=absent), wait_seconds=0)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1/x", "127.0.0.1:5432"])
async def test_what_is_no_postgresql_address_is_refused(url: str) -> None:
    with pytest.raises(StartRefused, match="DATABASE_URL must look like"):
        await reach_postgres(PostgresSettings(database_url=url), wait_seconds=0)


async def test_a_missing_redis_is_named_by_its_role(redis_settings: RedisSettings) -> None:
    away = redis_settings.model_copy(update={"redis_stock_url": f"redis://:secret@127.0.0.1:{free_port()}/0"})
    with pytest.raises(StartRefused, match="correct REDIS_STOCK_URL") as refused:
        await reach_redis(away, wait_seconds=0)
    assert "secret" not in str(refused.value)


async def test_what_is_no_redis_address_is_refused(redis_settings: RedisSettings) -> None:
    wrong = redis_settings.model_copy(update={"redis_queue_url": "localhost:6379"})
    with pytest.raises(StartRefused, match="REDIS_QUEUE_URL must look like"):
        await reach_redis(wrong, wait_seconds=0)


def test_a_place_says_where_and_never_who() -> None:
    assert place("postgresql://me:secret@db:5432/floodgate") == "db:5432/floodgate"
    assert place("postgresql://postgres@/postgres?host=/var/run/pg") == "/var/run/pg/postgres"
