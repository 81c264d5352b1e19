"""The servers that the rows share, and a fresh ground for each trial.

Always servers of the matrix's own, whatever the environment names: a matrix empties, stops and fills what it stands on.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis.asyncio import Redis

from kit.embedded.leftovers import FolderLock
from kit.embedded.postgres import EmbeddedPostgres
from kit.embedded.redis import EmbeddedRedis
from ops.faults.matrix import FaultRow, Ground
from ops.migrate import migrate

_TEMPLATE: Final = "floodgate_template"
_TRIAL: Final = "floodgate_trial"
_HOUSE: Final = "floodgate_house"


@dataclass(frozen=True, slots=True)
class _Urls:
    administer: str
    redis: str
    broker: str

    def database(self, name: str) -> str:
        return urlunsplit(urlsplit(self.administer)._replace(path=f"/{name}"))


class Grounds:
    """A context that holds the shared servers in `folder`. Raises `StartRefused` when one cannot start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._house_urls: _Urls | None = None

    def __enter__(self) -> Self:
        with self._stack:
            lock = FolderLock(self.folder)
            lock.take()
            self._stack.callback(lock.free)
            shutil.rmtree(self.folder / "trials", ignore_errors=True)
            self.folder.chmod(0o755)  # PostgreSQL runs as a user of its own where this runs as root
            postgres = EmbeddedPostgres(self.folder / "postgres")
            administer = postgres.start()
            self._stack.callback(postgres.stop)
            self._urls = _Urls(administer, self._redis("redis"), self._redis("redis-broker"))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def database_url(self) -> str:
        """The migrated template: for reading what the servers are."""
        return self._urls.database(_TEMPLATE)

    @property
    def redis_url(self) -> str:
        return self._urls.redis

    async def prepare(self) -> None:
        """Makes the template of the trials' databases."""
        await self._administer(
            f"DROP DATABASE IF EXISTS {_TEMPLATE} WITH (FORCE)", f"CREATE DATABASE {_TEMPLATE}"
        )

    def migrate(self) -> None:
        """Writes the tables of today into the template; outside of any event loop."""
        migrate(self.database_url)

    @asynccontextmanager
    async def ground(self, row: FaultRow, name: str, seed: int) -> AsyncIterator[Ground]:
        """The ground of the trial `name` of `row`; in the room stage nothing in it remembers the trial before."""
        folder = self.folder / "trials" / f"{name}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if row.stage == "house":
            urls, database = await self._house(), _HOUSE
        else:
            urls, database = self._urls, _TRIAL
            await self._copy_template(_TRIAL)
            await _empty(urls.redis, urls.broker)
        yield Ground(urls.database(database), urls.redis, urls.broker, folder, seed)

    async def _house(self) -> _Urls:
        """The stores of the house, whose processes outlive a trial; started with its first."""
        if self._house_urls is None:
            redis, broker = self._redis("house-redis"), self._redis("house-broker")
            await _empty(redis, broker)
            await self._copy_template(_HOUSE)
            self._house_urls = _Urls(self._urls.administer, redis, broker)
        return self._house_urls

    async def _copy_template(self, name: str) -> None:
        await self._administer(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}"
        )

    async def _administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._urls.administer)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _redis(self, name: str) -> str:
        server = EmbeddedRedis(self.folder / name)
        url = server.start()
        self._stack.callback(server.stop)
        return url


async def _empty(*redis_urls: str) -> None:
    for url in redis_urls:
        client = Redis.from_url(url)
        try:
            await client.flushall()
            await client.script_flush()
        finally:
            await client.aclose()
