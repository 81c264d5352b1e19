"""PostgreSQL: read and write sessions as distinct types, one unit of work per request or task.

Services take a `WriteSession` and never commit; whoever opened the unit of work does, at the edge.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog
from asyncpg.exceptions import (
    DeadlockDetectedError,
    IdleInTransactionSessionTimeoutError,
    InsufficientResourcesError,
    InternalClientError,
    LockNotAvailableError,
    OperatorInterventionError,
    PostgresConnectionError,
    ReadOnlySQLTransactionError,
    SerializationError,
    UniqueViolationError,
)
from asyncpg.exceptions import InterfaceError as DriverInterfaceError
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from kit.errors import Unavailable
from kit.primary import DroppingConnection, Primary
from kit.settings import PostgresSettings
from kit.statements import Statement
from kit.steps import reached

log = structlog.get_logger()

CLOSE_SECONDS_MAX: Final = 2.0  # whoever still holds a connection has been told to end

# How much longer than the server's own bound the client waits: a living server's answer comes first, and a silent one
# (frozen, behind a dead network) ends in time all the same.
SILENCE_SECONDS: Final = 1.0

# What says "not now" rather than "no". A deadlock's victim was rolled back whole: asked again, it goes through.
_AWAY: Final = (
    DeadlockDetectedError,
    IdleInTransactionSessionTimeoutError,
    InsufficientResourcesError,  # no connection, no memory, no disk left
    LockNotAvailableError,
    OperatorInterventionError,  # it shuts down, starts, recovers from a crash, or has cancelled the statement
    PostgresConnectionError,
    SerializationError,
    DriverInterfaceError,  # the connection is closed or closing
    InternalClientError,  # the driver found it broken off in the middle of something
    OSError,
    TimeoutError,
)


# The driver's few statements find every row by a key. They are planned once a connection, perhaps while the tables were
# still empty, and must run in the same way when those are full.
_DRIVER_PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

# SQLAlchemy prepares each statement by a name, which behind a pooler is somebody else's by the time it is run.
_UNNAMED: Final = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


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


def create_engine(
    settings: PostgresSettings, *, pool_connections_max: int | None = None, read_only: bool = False
) -> AsyncEngine:
    """An engine with every bound written out; a read-only one sends single statements, without BEGIN and ROLLBACK.

    Raises `StartRefused` for what is no PostgreSQL address.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        pool_size=pool_connections_max or settings.postgres_pool_connections_max,
        max_overflow=0,
        pool_timeout=settings.postgres_pool_wait_seconds,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT" if read_only and not settings.postgres_pooled else "READ COMMITTED",
        execution_options={"postgresql_readonly": read_only},
        hide_parameters=True,  # an error that is logged must not carry a phone number
        connect_args={
            "async_creator_fn": Primary(settings.database_url).connect,
            **(_UNNAMED if settings.postgres_pooled else {}),
            **_connect_arguments(settings, {}, read_only=read_only),
        },
    )
    if not read_only:
        event.listen(engine.sync_engine, "handle_error", _leave_replica)
    return engine


def _leave_replica(context: ExceptionContext) -> None:
    """A connection that leads to a replica now, behind an address that has moved, is not used again."""
    if isinstance(driver_error(context.original_exception), ReadOnlySQLTransactionError):
        context.is_disconnect = True


def _connect_arguments(
    settings: PostgresSettings, plans: Mapping[str, str], *, read_only: bool = False
) -> dict[str, Any]:
    bounds = {
        "timeout": settings.postgres_connect_seconds,
        "command_timeout": settings.postgres_statement_seconds + SILENCE_SECONDS,
    }
    if settings.postgres_pooled:  # the role's own settings must say the rest (`kit.reach` looks)
        return {**bounds, "statement_cache_size": 0, "server_settings": {"application_name": "floodgate"}}
    return {
        **bounds,
        "server_settings": {
            "application_name": "floodgate",
            "statement_timeout": str(int(settings.postgres_statement_seconds * 1000)),
            "idle_in_transaction_session_timeout": "15000",  # a stalled process must not hold row locks
            "client_connection_check_interval": "1000",  # nor a statement whose caller has hung up
            "default_transaction_read_only": "on" if read_only else "off",
            "timezone": "UTC",
            **plans,
        },
    }


def driver_error(error: BaseException) -> BaseException | None:
    """The driver's own error beneath SQLAlchemy's, or the error itself."""
    if isinstance(error, DBAPIError):
        error = error.orig or error
    beneath = error.__cause__
    return beneath if isinstance(beneath, asyncpg.PostgresError | InternalClientError) else error


def is_away(error: BaseException) -> bool:
    """Whether `error` says that PostgreSQL cannot serve now, as against a fault of ours."""
    if isinstance(error, PoolTimeout | InterfaceError | OperationalError | OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(driver_error(error), _AWAY)


def is_taken(error: BaseException) -> bool:
    """Whether the driver was refused because somebody else was first with a unique key; reading again shows who."""
    return isinstance(error, UniqueViolationError)


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
        with _away_as_unavailable():
            async with ReadSession(self._reads, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def read_snapshot(self) -> AsyncIterator[ReadSession]:
        """A read-only transaction that sees one instant throughout. Raises `Unavailable("postgres")`."""
        with _away_as_unavailable():
            async with ReadSession(self._snapshots, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[WriteSession]:
        """One transaction: committed when the block ends well, rolled back when it raises.

        Raises `Unavailable("postgres")` when the server is away; after a failed COMMIT the outcome is unknown, and
        the caller must find it out by reading its ids back, never by assuming.
        """
        with _away_as_unavailable(writes=True):
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
        with _away_as_unavailable(writes=not readonly):
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
                **_connect_arguments(self._settings, _DRIVER_PLANS),
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


class _away_as_unavailable:  # noqa: N801 - reads as a statement
    """Turns driver errors that mean "away" into `Unavailable`; everything else passes unchanged.

    To who writes a replica is as good as none: a decision is taken on the primary or not at all.
    """

    def __init__(self, *, writes: bool = False) -> None:
        self._writes = writes

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        on_replica = self._writes and isinstance(driver_error(error), ReadOnlySQLTransactionError)
        if on_replica or is_away(error):
            raise Unavailable("postgres") from error
