"""What is done to a running sale: a process dies without a word, or Redis loses everything. Each stroke has its proof."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from redis.exceptions import RedisError
from sqlalchemy import select

from flashsale.models import Bucket
from flashsale.rules import BucketName
from flashsale.snapshots import take_snapshots
from kit.errors import DomainError
from kit.postgres import Postgres
from ops.models import Duty as DutyRow
from ops.run.plan import BACK_SECONDS_MAX, POSTGRES_PRIMARY, REDIS, REDIS_MASTER, RunPlan
from ops.run.programs import PROGRAMS
from ops.run.standing import read_standing
from ops.run.stores import Stores
from ops.run.system import Running, is_ready
from ops.run.topology import Proof

LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Struck:
    """One stroke. `before` and `after` are its proof: the pid of a process, or the epoch of each bucket; `after` is empty
    and `back_after_seconds` None where no successor was seen. `units_confirmed` says how far the sale was."""

    name: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    back_after_seconds: float | None
    units_taken: int | None
    units_confirmed: int | None

    @property
    def is_proven(self) -> bool:
        """Whether another process serves in its place, or every bucket was loaded again under a higher epoch."""
        if self.back_after_seconds is None or not self.before or self.before.keys() != self.after.keys():
            return False
        if self.name == REDIS:
            return all(self.after[name] > epoch for name, epoch in self.before.items())
        return all(self.after[pid] not in {0, number} for pid, number in self.before.items())

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Striker:
    """Strikes one sale, and waits each time until what was struck is back."""

    def __init__(
        self, plan: RunPlan, running: Running, stores: Stores, sale_id: str, say: Callable[[str], None]
    ) -> None:
        self._plan, self._supervisor, self._stores = plan, running.supervisor, stores
        self._failovers, self._sale_id, self._say = running.failovers, sale_id, say

    async def strike(self, name: str) -> Struck:
        """Empties Redis, or kills the process `name`; of the keepers the one that leads."""
        taken, confirmed = await self._sold()
        if name == REDIS:
            before, after, seconds = await self._flush()
        elif name in {REDIS_MASTER, POSTGRES_PRIMARY}:
            before, after, seconds = await self._fail_over(name)
        else:
            leading = await _leading_keeper(self._stores.postgres) if name == "keeper" else name
            before, after, seconds = await self._kill(leading)
        return Struck(name, before, after, seconds, taken, confirmed)

    async def _sold(self) -> tuple[int | None, int | None]:
        try:
            standing = await read_standing(self._stores.postgres, self._sale_id)
        except DomainError:
            return None, None
        return standing.units_taken, standing.units_confirmed

    async def _kill(self, name: str) -> Proof:
        pid = await asyncio.to_thread(self._supervisor.kill, name)
        self._say(f"kill -9 {name} ({pid})")
        killed_at = time.monotonic()
        program = next(each for each in PROGRAMS if each.name == name)
        while pid and time.monotonic() < killed_at + BACK_SECONDS_MAX:
            state = (await asyncio.to_thread(self._supervisor.states)).get(name)
            if (
                state is not None
                and state.pid not in {0, pid}
                and await asyncio.to_thread(is_ready, self._plan, program)
            ):
                self._say(f"{name} is back ({state.pid})")
                return {name: pid}, {name: state.pid}, time.monotonic() - killed_at
            await asyncio.sleep(LOOK_SECONDS)
        return {name: pid}, {}, None

    async def _flush(self) -> Proof:
        """FLUSHALL on the server of each role: stock, claims in flight, the line, the limits, all gone."""
        redis = self._stores.redis
        before = await self._epochs()
        for client in (redis.queue, redis.stock, redis.limits):
            await client.flushall()
        self._say("FLUSHALL redis")
        flushed_at = time.monotonic()
        while before and time.monotonic() < flushed_at + BACK_SECONDS_MAX:
            after = await self._open_epochs(list(before))
            if after.keys() == before.keys():
                self._say(f"redis is loaded again (epochs {', '.join(map(str, after.values()))})")
                return _named(before), _named(after), time.monotonic() - flushed_at
            await asyncio.sleep(LOOK_SECONDS)
        return _named(before), {}, None

    async def _fail_over(self, name: str) -> Proof:
        buckets = list(await self._epochs())

        async def all_open() -> bool:
            return len(await self._open_epochs(buckets)) == len(buckets)

        if self._failovers is None or not buckets:
            return {}, {}, None  # what was not done is missing in the report
        return await self._failovers.bring_about(name, self._stores.postgres, buckets, all_open, self._say)

    async def _open_epochs(self, buckets: Sequence[BucketName]) -> dict[BucketName, int]:
        """The epoch of each bucket that Redis sells from again."""
        try:
            snapshots = await take_snapshots(self._stores.redis.stock, buckets, claims=False)
        except (RedisError, OSError):
            return {}
        return {name: each.epoch for name, each in zip(buckets, snapshots, strict=True) if each.is_open}

    async def _epochs(self) -> dict[BucketName, int]:
        """Each bucket's epoch in the ledger; none while PostgreSQL does not answer, and then nothing is proven."""
        try:
            async with self._stores.postgres.read() as session:
                rows = await session.execute(
                    select(Bucket.sku, Bucket.bucket, Bucket.epoch).where(Bucket.sale_id == self._sale_id)
                )
                return {(self._sale_id, row.sku, row.bucket): row.epoch for row in rows}
        except DomainError:
            return {}


def _named(epochs: Mapping[BucketName, int]) -> dict[str, int]:
    return {f"{sku}/{bucket}": epoch for (_, sku, bucket), epoch in epochs.items()}


async def _leading_keeper(postgres: Postgres) -> str:
    """The keeper that moves the frontier: its death is the one that shoppers could notice."""
    try:
        async with postgres.read() as session:
            leader = await session.scalar(select(DutyRow.leader).where(DutyRow.duty == "frontier"))
    except DomainError:
        leader = None
    return leader if leader in {program.name for program in PROGRAMS} else "keeper-1"
