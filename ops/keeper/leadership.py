"""Leadership of one duty: a session-level advisory lock on a connection of its own, and a fence.

The lock is the session's, so whatever ends the session ends the leadership: a killed process at once, a stalled or cut
off one when PostgreSQL ends its silent session. The leader itself stops at the first sign, which comes earlier.
"""

import asyncio
import zlib
from contextlib import suppress
from importlib import resources
from typing import Any, Final, NoReturn

import asyncpg

from kit.primary import Primary
from kit.settings import PostgresSettings
from kit.steps import reached
from ops.keeper.fence import Fence, LeadershipLost

LOCK_CLASS: Final = (
    0x466C6F6F  # "Floo": sets the keeper's locks apart from other advisory locks in the database
)
HEARTBEAT_SECONDS: Final = 1.0  # how often the leader proves that its session is alive
ANSWER_SECONDS_MAX: Final = 2.0  # a heartbeat without an answer ends the leadership here, ...
SILENT_SECONDS_MAX: Final = 5  # ... before PostgreSQL ends the silent session and lets another take the lock

# Whatever the session meets ends it; the next try begins with a new one.
SESSION_TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_TAKE_NAME: Final = "ops/keeper/sql/take_duty.sql"
_TAKE = resources.files("ops.keeper").joinpath("sql", "take_duty.sql").read_text(encoding="utf-8")


class Leadership:
    """One keeper's candidacy for one duty."""

    def __init__(self, settings: PostgresSettings, *, duty: str, leader: str) -> None:
        self._settings = settings
        self._primary = Primary(settings.direct_url)
        self._duty = duty
        self._leader = leader
        self._connection: Any = None
        self._gone = asyncio.Event()

    async def take(self) -> Fence | None:
        """Tries once: the fence when this keeper leads from now on, None while another does.

        Raises `LeadershipLost` when PostgreSQL is away.
        """
        try:
            async with asyncio.timeout(self._settings.postgres_connect_seconds + SILENT_SECONDS_MAX):
                if self._connection is None or self._connection.is_closed():
                    await self._connect()
                if not await self._connection.fetchval(
                    "SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, lock_number(self._duty)
                ):
                    return None
                reached("sql.before", _TAKE_NAME)
                fence = Fence(self._duty, await self._connection.fetchval(_TAKE, self._duty, self._leader))
                reached("sql.after", _TAKE_NAME)
                return fence
        except SESSION_TROUBLE as error:
            self.resign()
            raise LeadershipLost(f"{self._duty}: {type(error).__name__}") from error

    async def keep(self) -> NoReturn:
        """Proves the session alive until it is not. Raises `LeadershipLost` the moment that shows."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), HEARTBEAT_SECONDS)
                raise LeadershipLost(f"{self._duty}: session ended")
            try:
                await self._connection.fetchval("SELECT 1", timeout=ANSWER_SECONDS_MAX)
            except SESSION_TROUBLE as error:
                raise LeadershipLost(f"{self._duty}: {type(error).__name__}") from error

    def resign(self) -> None:
        """Ends the session and with it the leadership; another may lead at once."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connect(self) -> None:
        self._gone.clear()
        self._connection = await self._primary.connect(
            timeout=self._settings.postgres_connect_seconds,
            server_settings={
                "application_name": f"floodgate-keeper-{self._duty}",
                "idle_session_timeout": str(SILENT_SECONDS_MAX * 1000),
                "statement_timeout": str(SILENT_SECONDS_MAX * 1000),
            },
        )
        gone = self._gone
        self._connection.add_termination_listener(lambda _connection: gone.set())


def lock_number(duty: str) -> int:
    """The duty's number in the keeper's class of advisory locks (a signed 32-bit integer)."""
    return zlib.crc32(duty.encode()) - (1 << 31)
