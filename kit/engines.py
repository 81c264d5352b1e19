"""How connections to PostgreSQL are made: SQLAlchemy's engine and the driver's own, with every bound written out."""

from collections.abc import Mapping
from typing import Any, Final

from asyncpg.exceptions import ReadOnlySQLTransactionError
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.postgres_errors import driver_error
from kit.primary import Primary
from kit.settings import PostgresSettings

# How much longer than the server's own bound the client waits: a living server's answer comes first, and a silent one
# (frozen, behind a dead network) ends in time all the same.
SILENCE_SECONDS: Final = 1.0

# The driver's few statements find every row by a key. They are planned once a connection, perhaps while the tables were
# still empty, and must run in the same way when those are full.
DRIVER_PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

# SQLAlchemy prepares each statement by a name, which behind a pooler is somebody else's by the time it is run.
_UNNAMED: Final = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


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
            **connect_arguments(settings, {}, read_only=read_only),
        },
    )
    if not read_only:
        event.listen(engine.sync_engine, "handle_error", _leave_replica)
    return engine


def _leave_replica(context: ExceptionContext) -> None:
    """A connection that leads to a replica now, behind an address that has moved, is not used again."""
    if isinstance(driver_error(context.original_exception), ReadOnlySQLTransactionError):
        context.is_disconnect = True


def connect_arguments(
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
