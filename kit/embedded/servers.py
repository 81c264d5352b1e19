"""The servers of one run: those the environment names, and embedded ones for the rest."""

import shutil
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kit.embedded.cluster import EmbeddedCluster
from kit.embedded.leftovers import LOCK, FolderLock, end_leftover
from kit.embedded.postgres import EmbeddedPostgres
from kit.embedded.redis import EmbeddedRedis
from kit.embedded.standby import EmbeddedPair
from kit.settings import PostgresSettings, RedisSettings, read_settings


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where PostgreSQL and the Redis roles are."""

    database: str
    redis_queue: str
    redis_stock: str
    redis_limits: str
    redis_broker: str

    def as_environment(self) -> dict[str, str]:
        """The variables that every process reads."""
        return {
            "DATABASE_URL": self.database,
            "REDIS_QUEUE_URL": self.redis_queue,
            "REDIS_STOCK_URL": self.redis_stock,
            "REDIS_LIMITS_URL": self.redis_limits,
            "REDIS_BROKER_URL": self.redis_broker,
        }


class Servers:
    """A context that starts what the environment does not name, and stops it at its end.

    Servers that a killed run left in `folder` are ended first. Raises `StartRefused` with one sentence when something
    cannot start or another run uses the folder. `clustered` makes it a PostgreSQL primary with its standby (`pair`) and a
    Redis Cluster (`cluster`); the broker stays a single Redis. `fresh` forgets what earlier runs kept in `folder`.
    """

    def __init__(self, folder: Path, *, clustered: bool = False, fresh: bool = False) -> None:
        self.folder = folder
        self._fresh = fresh
        self.pids: dict[str, int] = {}
        self.cluster = EmbeddedCluster(folder / "cluster") if clustered else None
        self.pair = EmbeddedPair(folder / "pair") if clustered else None
        self._stack = ExitStack()

    def __enter__(self) -> ServerUrls:
        with self._stack:
            lock = FolderLock(self.folder)
            lock.take()
            self._stack.callback(lock.free)
            if self._fresh:
                self._empty()
            database = read_settings(PostgresSettings).database_url or self._postgres()
            named = read_settings(RedisSettings)
            roles = (named.redis_queue_url, named.redis_stock_url, named.redis_limits_url)
            shared = "" if all(roles) else self._shared_redis()
            urls = ServerUrls(
                database=database,
                redis_queue=named.redis_queue_url or shared,
                redis_stock=named.redis_stock_url or shared,
                redis_limits=named.redis_limits_url or shared,
                redis_broker=named.redis_broker_url or self._redis("redis-broker"),
            )
            self._stack = self._stack.pop_all()
        return urls

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _empty(self) -> None:
        """Only who holds the lock may: the files of another run that is still up would be gone beneath its servers."""
        for name, first in (("postmaster.pid", signal.SIGINT), ("redis.pid", signal.SIGTERM)):
            for pid_file in self.folder.glob(f"**/{name}"):
                end_leftover(pid_file, pid_file.parent, first)
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()

    def _postgres(self) -> str:
        if self.pair is not None:
            url = self.pair.start()
            self._stack.callback(self.pair.stop)
            self.pids |= self.pair.pids
            return url
        server = EmbeddedPostgres(self.folder / "postgres")
        url = server.start()
        self._stack.callback(server.stop)
        self.pids["postgres"] = server.pid
        return url

    def _shared_redis(self) -> str:
        if self.cluster is None:
            return self._redis("redis")
        url = self.cluster.start()
        self._stack.callback(self.cluster.stop)
        self.pids |= self.cluster.pids
        return url

    def _redis(self, name: str) -> str:
        server = EmbeddedRedis(self.folder / name)
        url = server.start()
        self._stack.callback(server.stop)
        self.pids[name] = server.pid
        return url
