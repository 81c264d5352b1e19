"""The way to PostgreSQL's primary, whichever of the named servers that is: `postgresql://user@host1:5432,host2:5432/name`.

The servers are asked one after the other, the one that was the primary last first, each for its share of the time: a
machine that has vanished answers nothing, and must not use up the time that belongs to its successor.
"""

from typing import Any

import asyncpg
from asyncpg.exceptions import CannotConnectNowError, TargetServerAttributeNotMatched

from kit.errors import StartRefused


class DroppingConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is not typed
    """A connection that is dropped when whoever waited on it stops waiting, where the driver would cancel the statement.

    A COMMIT that waits for its synchronous standby and is cancelled has committed on the primary alone: from then on
    everybody reads what a promotion will have lost. Dropped, it goes on waiting, unseen and under its locks.
    """

    def _cancel_current_command(self, waiter: Any, cancel_waiter: Any = None) -> None:
        self._loop.call_soon(self.terminate)
        if not waiter.done():
            waiter.set_result(None)


class Primary:
    """Where the primary may be, and where it was last."""

    def __init__(self, database_url: str) -> None:
        """Raises `StartRefused` for what is no PostgreSQL address."""
        self._addresses = _addresses(database_url)

    async def connect(self, *_: object, timeout: float, **options: Any) -> asyncpg.Connection:  # noqa: ASYNC109 - asyncpg's own word
        """A connection to the primary within `timeout` seconds; to a single named server whatever it is.

        Raises what the last server that was asked answered.
        """
        options["connection_class"] = DroppingConnection
        if len(self._addresses) == 1:
            return await asyncpg.connect(self._addresses[0], timeout=timeout, **options)
        share = timeout / len(self._addresses)
        refused: Exception | None = None
        for address in list(self._addresses):
            try:
                found = await asyncpg.connect(
                    address, timeout=share, target_session_attrs="primary", **options
                )
            except TargetServerAttributeNotMatched:
                refused = CannotConnectNowError("no server is the primary now")
            except (OSError, TimeoutError, CannotConnectNowError) as error:
                refused = error
            else:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                return found
        raise refused or AssertionError("no server is named")


def _addresses(database_url: str) -> list[str]:
    """One address a server."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgresql", "postgres"}:
        raise StartRefused(
            "DATABASE_URL must look like postgresql://user:password@host:5432/name, not "
            f"{scheme + '://…' if separator else 'that'}; unset it to use the embedded server."
        )
    # Of our sessions those that only read forbid themselves to write, and would not count as read-write; the primary is
    # what is meant.
    rest = rest.replace("target_session_attrs=read-write", "target_session_attrs=primary")
    places, slash, name = rest.partition("/")
    user, at, places = places.rpartition("@")
    return [f"postgresql://{user}{at}{each}{slash}{name}" for each in places.split(",")]
