"""What the driver's errors say: PostgreSQL is away, somebody was first, or the fault is ours."""

from typing import Final

import asyncpg
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
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kit.errors import Unavailable

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


class away_as_unavailable:  # noqa: N801 - reads as a statement
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
