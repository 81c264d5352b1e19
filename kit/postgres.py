"""PostgreSQL: read and write sessions as distinct types, one unit of work per request or task.

Services take a `WriteSession` and never commit; whoever opened the unit of work does, at the edge.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from kit.engines import DRIVER_PLANS, connect_arguments, create_engine
from kit.postgres_errors import away_as_unavailable
from kit.primary import DroppingConnection, Primary
from kit.settings import PostgresSettings
from kit.statements import Statement
from kit.steps import reached

log = structlog.get_logger()

CLOSE_SECONDS_MAX: Final = 2.0  # whoever still holds a connection has been told to end


class ReadSession(AsyncSession):
    """A session that PostgreSQL itself holds read-only."""

    async def rows(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a statement; see `kit.statements.Rows`."""
        reached("sql.before", statement.name)
        rows = (await self.execute(statement.clause, dict(parameters))).all()
        reached("sql.after", statement.name)
        return rows


class WriteSession(ReadSession):
    """A session that may write; it reads its own writes, so it serves wherever a `ReadSession` does."""

    async def flush(self, objects: Sequence[Any] | None = None) -> None:
        reached("flush.before")
        await super().flush(objects)
        reached("flush.after")

    def after_commit(self, action: Callable[[], Awaitable[None]]) -> None:
        """Runs `action` once the transaction is durable (units back to Redis, a doorbell).

        For what may be lost: a crash between commit and action skips it, and a schedule must repair it. A failure is
        logged and changes nothing about the commit.
        """
        self.info.setdefault("after_commit", []).append(action)


class DriverTransaction:
    """A transaction of the driver itself, for statements whose cost matters; see `kit.statements.Rows`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rows(self, statement: Statement, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        text, names = statement.placed
        reached("sql.before", statement.name)
        found: Sequence[Sequence[Any]] = await self._connection.fetch(
            text, *[parameters[name] for name in names]
        )
        reached("sql.after", statement.name)
        return found


class Postgres:
    """One process's PostgreSQL. Opens sessions; connects lazily.

    Reads have a pool of their own: a crowd that asks where it stands must not keep a commit waiting.
    """

    def __init__(self, settings: PostgresSettings, *, pool_connections_max: int | None = None) -> None:
        self.engine = create_engine(settings, pool_connections_max=pool_connections_max)
        self._reads = create_engine(settings, pool_connections_max=pool_connections_max, read_only=True)
        self._snapshots = self._reads.execution_options(isolation_level="REPEATABLE READ")
        self._settings = settings
        self._driver_pool: asyncpg.Pool | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Read-only statements, each seeing what was committed before it. Raises `Unavailable("postgres")`."""
        with away_as_unavailable():
            async with ReadSession(self._reads, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def read_snapshot(self) -> AsyncIterator[ReadSession]:
        """A read-only transaction that sees one instant throughout. Raises `Unavailable("postgres")`."""
        with away_as_unavailable():
            async with ReadSession(self._snapshots, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[WriteSession]:
        """One transaction: committed when the block ends well, rolled back when it raises.

        Raises `Unavailable("postgres")` when the server is away; after a failed COMMIT the outcome is unknown, and
        the caller must find it out by reading its ids back, never by assuming.
        """
        with away_as_unavailable(writes=True):
            async with WriteSession(self.engine, expire_on_commit=False) as session:
                async with session.begin():
                    yield session
                    reached("commit.before")
                reached("commit.after")
                for action in session.info.get("after_commit", ()):
                    await _run_after_commit(action)

    @asynccontextmanager
    async def driver(self, *, readonly: bool = False) -> AsyncIterator[DriverTransaction]:
        """Like `unit_of_work` and `read`, without SQLAlchemy between, on a few connections kept for it.

        Raises `Unavailable("postgres")` when the server is away, and the driver's own errors.
        """
        with away_as_unavailable(writes=not readonly):
            async with (
                (await self.driver_pool()).acquire(
                    timeout=self._settings.postgres_pool_wait_seconds
                ) as connection,
                connection.transaction(readonly=readonly),
            ):
                yield DriverTransaction(connection)
                if not readonly:
                    reached("commit.before")
            if not readonly:
                reached("commit.after")

    async def driver_pool(self) -> asyncpg.Pool:
        """The pool behind `driver`, made at its first use."""
        if self._driver_pool is None:
            pool = asyncpg.create_pool(
                connect=Primary(self._settings.database_url).connect,
                connection_class=DroppingConnection,
                min_size=0,
                max_size=self._settings.postgres_driver_connections_max,
                max_inactive_connection_lifetime=60.0,
                reset=_keep,
                **connect_arguments(self._settings, DRIVER_PLANS),
            )
            await pool  # connects nothing yet, so nobody else can come between
            self._driver_pool = pool
        return self._driver_pool

    async def close(self) -> None:
        if self._driver_pool is not None:
            try:
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await self._driver_pool.close()
            except TimeoutError:
                log.warning("postgres_left_unfinished")  # `close` has cut what it was waiting for
        await self.engine.dispose()
        await self._reads.dispose()


async def _keep(_connection: asyncpg.Connection) -> None:
    """Nothing outlives a transaction here, so there is nothing to reset, and no round trip for it."""


async def _run_after_commit(action: Callable[[], Awaitable[None]]) -> None:
    try:
        await action()
    except Exception as error:  # noqa: BLE001 - the commit stands whatever the action met; a schedule repairs it
        log.warning("after_commit_failed", error=type(error).__name__)
