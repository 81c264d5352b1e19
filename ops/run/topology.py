"""A run on a Redis Cluster and a PostgreSQL pair, and the failovers that it brings about in mid-sale.

The cluster elects the killed master's replica by itself, here as in production. PostgreSQL has nobody who promotes: in
production that is an operator or Patroni, which also makes sure that the old primary is gone; here it is this run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import text

from flashsale import keys
from flashsale.rules import BucketName
from kit.embedded.cluster import EmbeddedCluster
from kit.embedded.standby import EmbeddedPair
from kit.errors import DomainError, StartRefused
from kit.postgres import Postgres
from kit.settings import PostgresSettings, RedisSettings
from ops.run.plan import BACK_SECONDS_MAX, POSTGRES_PRIMARY, REDIS_MASTER, RunPlan

LOOK_SECONDS: Final = 0.1

Proof = tuple[
    dict[str, int], dict[str, int], float | None
]  # the pid before, the pid after, seconds until it sold again


class Topology(StrEnum):
    """What `--topology` may say."""

    SINGLE = "single"
    CLUSTER = "cluster"


def refuse_topology(plan: RunPlan, postgres: PostgresSettings, redis: RedisSettings) -> None:
    """Raises `StartRefused` where a run cannot have the servers, or the failovers, that it is asked for."""
    if not plan.clustered and {REDIS_MASTER, POSTGRES_PRIMARY} & set(plan.kill):
        raise StartRefused(
            f"KILL={','.join(plan.kill)} needs a server that can take over: add TOPOLOGY=cluster."
        )
    named = {"DATABASE_URL": postgres.database_url}
    named |= {f"REDIS_{role}_URL": url for role, url in redis.room_urls.items()}
    for variable, url in named.items():
        if plan.clustered and url:
            raise StartRefused(
                f"TOPOLOGY=cluster starts servers of its own, and {variable} names another: unset it."
            )


@dataclass(frozen=True, slots=True)
class Failovers:
    """The servers of one run that have successors."""

    cluster: EmbeddedCluster
    pair: EmbeddedPair

    async def bring_about(
        self,
        name: str,
        postgres: Postgres,
        buckets: Sequence[BucketName],
        all_open: Callable[[], Awaitable[bool]],
        say: Callable[[str], None],
    ) -> Proof:
        """Kills what `name` says, waits until the sale goes on with its successor, and lets the dead one follow that."""
        if name == REDIS_MASTER:
            return await self._redis_master(keys.stock(*buckets[0]), all_open, say)
        return await self._postgres_primary(postgres, say)

    async def _redis_master(
        self, key: str, all_open: Callable[[], Awaitable[bool]], say: Callable[[str], None]
    ) -> Proof:
        dead = await asyncio.to_thread(self.cluster.master_of, key)
        pid = self.cluster.nodes[dead].pid
        began = time.monotonic()
        await asyncio.to_thread(self.cluster.kill, dead)
        say(f"kill -9 the Redis master {dead} ({pid})")
        try:
            successor = await asyncio.to_thread(self.cluster.wait_for_successor, dead)
            say(f"{successor} was elected in its place")
            seconds = await _until(all_open, began)
            await asyncio.to_thread(self.cluster.bring_back, dead)
        except StartRefused as refused:
            say(str(refused))
            return {REDIS_MASTER: pid}, {}, None
        return {REDIS_MASTER: pid}, {REDIS_MASTER: self.cluster.nodes[successor].pid}, seconds

    async def _postgres_primary(self, postgres: Postgres, say: Callable[[str], None]) -> Proof:
        async def commits() -> bool:
            try:
                async with postgres.unit_of_work() as session:
                    await session.execute(text("SELECT pg_current_xact_id()"))  # which no replica gives
            except DomainError:
                return False
            return True

        pid = self.pair.pids[self.pair.primary]
        began = time.monotonic()
        dead = await asyncio.to_thread(self.pair.kill_primary)
        say(f"kill -9 the PostgreSQL primary {dead} ({pid})")
        try:
            await asyncio.to_thread(self.pair.promote)
            say(f"{self.pair.primary} was promoted in its place")
            seconds = await _until(commits, began)
            await asyncio.to_thread(self.pair.rejoin)
            say(f"{dead} follows it")
        except StartRefused as refused:
            say(str(refused))
            return {POSTGRES_PRIMARY: pid}, {}, None
        return {POSTGRES_PRIMARY: pid}, {POSTGRES_PRIMARY: self.pair.pids[self.pair.primary]}, seconds


async def _until(done: Callable[[], Awaitable[bool]], began: float) -> float | None:
    """Seconds from `began` until `done`; None past the bound."""
    while time.monotonic() < began + BACK_SECONDS_MAX:
        if await done():
            return time.monotonic() - began
        await asyncio.sleep(LOOK_SECONDS)
    return None
