"""What the commands at a terminal share: who sits there, and the database they speak to."""

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import ProgrammingError

from kit.errors import StartRefused
from kit.postgres import Postgres
from kit.reach import reach_postgres
from kit.settings import PostgresSettings, read_settings


def terminal_user() -> str:
    """The name of the operating system's user, as audit rows name it; the number where there is none (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@asynccontextmanager
async def terminal_postgres(settings: PostgresSettings | None = None) -> AsyncIterator[Postgres]:
    """The database of the running system. Raises `StartRefused` with what to do where there is none to speak to."""
    settings = settings or read_settings(PostgresSettings)
    if not settings.database_url:
        raise StartRefused(
            "Set DATABASE_URL to the database of the running system. While `make run` is up: "
            "set -a; . var/run/environment; set +a"
        )
    await reach_postgres(settings, wait_seconds=0)
    postgres = Postgres(settings)
    try:
        yield postgres
    except ProgrammingError as error:
        if "does not exist" not in str(error.orig):
            raise
        raise StartRefused(
            "This database has no tables of Floodgate yet, or older ones: `floodgate run` with the same DATABASE_URL makes them."
        ) from error
    finally:
        await postgres.close()
