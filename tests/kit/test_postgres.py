"""One unit of work a request: committed at the edge, rolled back as a whole, read-only where it says so."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kit.embedded import ServerUrls
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.postgres_errors import is_away
from kit.settings import PostgresSettings


async def test_a_read_session_cannot_write(postgres: Postgres) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with postgres.read() as session:
            await session.execute(text("INSERT INTO ops.duties (duty, leader) VALUES ('x', 'y')"))


async def test_a_snapshot_sees_one_instant_while_single_reads_see_what_came_since(postgres: Postgres) -> None:
    count = text("SELECT count(*) FROM ops.duties WHERE duty LIKE 'seen-%'")
    async with postgres.read_snapshot() as still, postgres.read() as moving:
        before = await still.scalar(count)
        async with postgres.unit_of_work() as session:
            await session.execute(text("INSERT INTO ops.duties (duty, leader) VALUES ('seen-1', 'me')"))
        assert await still.scalar(count) == before
        assert await moving.scalar(count) == before + 1
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with postgres.read_snapshot() as session:
            await session.execute(text("INSERT INTO ops.duties (duty, leader) VALUES ('x', 'y')"))


async def test_actions_after_commit_run_after_a_commit_and_not_after_a_rollback(postgres: Postgres) -> None:
    ran: list[str] = []

    async def note(what: str) -> None:
        ran.append(what)

    async with postgres.unit_of_work() as session:
        session.after_commit(lambda: note("committed"))
        assert ran == []
    with pytest.raises(RuntimeError):
        async with postgres.unit_of_work() as session:
            session.after_commit(lambda: note("rolled back"))
            raise RuntimeError
    assert ran == ["committed"]


async def test_a_failing_action_does_not_undo_the_commit(postgres: Postgres) -> None:
    async def fail() -> None:
        raise RuntimeError

    async with postgres.unit_of_work() as session:
        await session.execute(text("INSERT INTO ops.duties (duty, leader) VALUES ('after-commit', 'me')"))
        session.after_commit(fail)
    async with postgres.read() as session:
        assert await session.scalar(text("SELECT leader FROM ops.duties WHERE duty = 'after-commit'")) == "me"


async def test_a_session_that_the_server_ends_is_unavailable(postgres: Postgres, servers: ServerUrls) -> None:
    administrator = await asyncpg.connect(servers.database)
    with pytest.raises(Unavailable):
        async with postgres.unit_of_work() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            await administrator.execute("SELECT pg_terminate_backend($1)", pid)
            await session.execute(text("SELECT 1"))
    await administrator.close()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
        asyncpg.DiskFullError("could not extend file: No space left on device"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"),
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_server_says_that_ends_or_is_full_is_away(error: Exception) -> None:
    assert is_away(error)


def test_a_connection_that_broke_off_while_it_was_being_opened_is_away() -> None:
    """SQLAlchemy has an error of its own for it, which says no more than that it is internal."""
    told = DBAPIError("rollback", None, Exception("of the adapter"))
    told.orig.__cause__ = asyncpg.InternalClientError(
        "cannot switch to state 15; another operation (2) is in progress"
    )
    assert is_away(told)
    told.orig.__cause__ = ValueError("ours")
    assert not is_away(told)


async def test_a_server_that_is_away_is_unavailable() -> None:
    away = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Unavailable):
        async with away.read() as session:
            await session.execute(text("SELECT 1"))
    await away.close()


async def test_the_victim_of_a_deadlock_is_told_to_try_again_and_the_other_goes_through(
    postgres: Postgres,
) -> None:
    both_hold_one = asyncio.Barrier(2)
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))")

    async def take(first: str, second: str) -> str:
        async with postgres.unit_of_work() as session:
            await session.execute(lock, {"name": first})
            await both_hold_one.wait()
            await session.execute(lock, {"name": second})
        return "through"

    ends = await asyncio.gather(take("a", "b"), take("b", "a"), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Unavailable", "str"]
