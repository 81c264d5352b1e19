"""R3: a replica takes over that had not heard of everything; for a while both sides take writes.

A server process that was not loaded says no, an older epoch is fenced, and PostgreSQL has the last word on either side.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from kit.embedded.wire import Wire
from ops.faults.controls import without_the_ledgers_word
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.ownredis import OwnRedis, own_redis
from ops.faults.process import Ways
from ops.faults.room import UNITS, Room
from ops.faults.waiting import wait_until

SYNC_SECONDS_MAX: Final = 20.0
SPLIT_SECONDS: Final = 0.4


class Pair:
    """A primary and its replica; `link` lies between them, `ways` lead one process each to whom it believes in."""

    def __init__(self, primary: OwnRedis, replica: OwnRedis, link: Wire, ways: tuple[Wire, Wire]) -> None:
        self.primary, self.replica, self.link, self.ways = primary, replica, link, ways

    async def behind_bytes(self) -> int:
        """How much the replica has not heard of."""
        primary = await self.primary.info("replication")
        replica = await self.replica.info("replication")
        return int(primary["master_repl_offset"]) - int(replica["slave_repl_offset"])

    async def promote(self) -> None:
        await self.replica.lead()

    def lead(self, *ways: Wire) -> None:
        """Processes are told of the new primary, and their connections to the old one end."""
        for way in ways:
            way.lead_to(self.replica.url)
            way.cut()


@asynccontextmanager
async def _paired(ground: Ground) -> AsyncIterator[Pair]:
    async with (
        own_redis(ground, "primary") as primary,
        own_redis(ground, "replica") as replica,
        Wire(primary.url) as link,
        Wire(primary.url) as first,
        Wire(primary.url) as second,
    ):
        await primary.direct.config_set("repl-diskless-sync-delay", 0)
        await replica.follow("127.0.0.1", urlsplit(link.url).port or 0)

        async def follows() -> bool:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

        await wait_until(follows, SYNC_SECONDS_MAX)
        yield Pair(primary, replica, link, (first, second))


async def _lag_and_fail_over(room: Room, pair: Pair) -> str:
    await room.crowd.serves(UNITS // 10)
    pair.link.silence()
    heard = room.crowd.served
    await room.middle()
    await room.crowd.serves(heard + 1)  # of somebody at least it has not heard
    served = room.crowd.served
    behind = await pair.behind_bytes()
    await pair.primary.kill()
    await pair.promote()
    pair.lead(*pair.ways)
    return f"a replica {behind} bytes behind was promoted when {served} were served" if behind > 0 else ""


async def _split(room: Room, pair: Pair) -> str:
    """The first process stays with the old primary, the second goes to the new one; then the old one gives way."""
    served = await room.middle()
    pair.link.silence()
    await pair.promote()
    pair.lead(pair.ways[1])
    await room.ask(SPLIT_SECONDS)
    claims = [await _scripts_run(redis) for redis in (pair.primary, pair.replica)]
    pair.lead(pair.ways[0])
    await pair.primary.kill()
    told = f"both sides took writes from {served} served on: {claims[0]} and {claims[1]} scripts run"
    return told if all(claims) else ""


async def _scripts_run(redis: OwnRedis) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def _failed_over(ground: Ground, *, repairing: bool = True) -> Found:
    async with _paired(ground) as pair:
        urls = [way.url for way in pair.ways]
        return await hold(
            ground, lambda room: _lag_and_fail_over(room, pair), Ways([ground.database_url], urls),
            repairing=repairing,
        )  # fmt: skip


async def _failed_over_unguarded(ground: Ground) -> Found:
    async with without_the_ledgers_word(ground):
        return await _failed_over(ground, repairing=False)


async def _split_brain(ground: Ground, *, repairing: bool = True) -> Found:
    async with _paired(ground) as pair:
        urls = [way.url for way in pair.ways]
        return await hold(
            ground, lambda room: _split(room, pair), Ways([ground.database_url], urls), repairing=repairing
        )


async def _split_brain_unguarded(ground: Ground) -> Found:
    async with without_the_ledgers_word(ground):
        return await _split_brain(ground, repairing=False)


ROWS: Final = (
    FaultRow("R3.lagging_replica", "a replica that lags is promoted", "滞后的从库被提升为主库", "room",
             _failed_over, _failed_over_unguarded),
    FaultRow("R3.split_brain", "the old and the new primary both take writes for a while",
             "新旧主库同时接受写入（脑裂）", "room", _split_brain, _split_brain_unguarded),
)  # fmt: skip
