"""Redis's view of the stock, brought back to the ledger: at start, on a schedule, after every kind of loss.

It looks at all buckets, settles what dead processes left behind, and has loaded anew (`flashsale.loading`) what Redis does
not know or has lost. No repair leaves Redis above the ledger.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select

from flashsale import keys, metrics
from flashsale.ledger import lock_buckets
from flashsale.loading import LedgerBucket, StockLoader, answered_soon
from flashsale.models import Bucket, Reservation, Sale
from flashsale.settings import FlashsaleSettings
from flashsale.snapshots import PendingClaim, StockSnapshot, take_snapshots
from flashsale.stock import Settlement, settle_calls
from kit.lua import run_all
from kit.postgres import Postgres, ReadSession
from kit.redis import is_away

log = structlog.get_logger()

# No load has this epoch. A claim that is not pending any more was settled since it was seen, and is counted already.
_STRIKE_OFF: Final = -1

_LEDGER_COLUMNS: Final = (
    Bucket.sale_id,
    Bucket.sku,
    Bucket.bucket,
    Bucket.total,
    Bucket.taken,
    Bucket.epoch,
)


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What one pass found: buckets loaded anew, buckets away from the ledger, claims of dead processes settled.

    `away` says that Redis could not be asked to the end.
    """

    reloaded: int = 0
    drifted: int = 0
    recovered: int = 0
    away: bool = False


class StockRepair:
    """The repair. It keeps nothing between passes, so any process may run the next one."""

    def __init__(self, postgres: Postgres, stock: Redis, settings: FlashsaleSettings) -> None:
        self._postgres, self._stock, self._settings = postgres, stock, settings
        self._loader = StockLoader(postgres, stock, chunk=settings.load_chunk)

    async def run_once(self) -> RepairReport:
        """One pass over the buckets of all sales that are not long over. Raises `Unavailable` without PostgreSQL."""
        found: Counter[str] = Counter()
        try:
            suspects = await self._look(await self._read_ledger(), found)
            await self._repair_drift(suspects, found)
        except (RedisError, OSError) as error:
            if not is_away(error):
                raise
            log.warning("stock_repair_without_redis", error=type(error).__name__)
            found["away"] = 1
        return RepairReport(found["reloaded"], found["drifted"], found["recovered"], bool(found["away"]))

    async def _look(self, buckets: Sequence[LedgerBucket], found: Counter[str]) -> list[LedgerBucket]:
        """Loads what Redis does not know, settles what was left behind; those that are away from the ledger."""
        suspects: list[LedgerBucket] = []
        snapshots = await take_snapshots(self._stock, [bucket.name for bucket in buckets])
        for bucket, snapshot in zip(buckets, snapshots, strict=True):
            if not snapshot.is_open or snapshot.epoch != bucket.epoch:
                found["reloaded"] += await self._loader.load(bucket, snapshot, "not_loaded")
                continue
            found["recovered"] += await self._recover(bucket, snapshot)
            if snapshot.available + snapshot.pending_units == bucket.total - bucket.taken:
                continue  # this look costs nothing; the next one locks the bucket
            if await self._drift(bucket):
                suspects.append(bucket)
        return suspects

    async def _repair_drift(self, suspects: Sequence[LedgerBucket], found: Counter[str]) -> None:
        """A drift that outlasts the messages on their way is a loss, and the bucket is loaded anew."""
        drift_units = 0
        if suspects:
            await asyncio.sleep(self._settings.drift_recheck_seconds)
        for bucket in suspects:
            if drift := await self._drift(bucket):
                drift_units += abs(drift)
                found["drifted"] += 1
                (snapshot,) = await take_snapshots(self._stock, [bucket.name])
                found["reloaded"] += await self._loader.load(bucket, snapshot, "drift")
        metrics.STOCK_DRIFT_UNITS.set(drift_units)

    async def _read_ledger(self) -> list[LedgerBucket]:
        kept = func.make_interval(0, 0, 0, 0, 0, 0, self._settings.repair_after_close_seconds)
        async with self._postgres.read() as session:
            rows = await session.execute(
                select(*_LEDGER_COLUMNS, Sale.closes_at)
                .join(Sale, Sale.sale_id == Bucket.sale_id)
                .where(Sale.closes_at + kept > func.now())
                .order_by(*_LEDGER_COLUMNS[:3])
            )
            return [LedgerBucket(*row[:6], int(row[6].timestamp()) + keys.KEEP_SECONDS) for row in rows]

    async def _drift(self, bucket: LedgerBucket) -> int:
        """How many units Redis believes in beyond the ledger (or short of it), claims in flight counted as taken.

        Both are read at one instant: under the bucket's lock nobody commits.
        """
        async with self._postgres.unit_of_work() as session:
            locked = (await lock_buckets(session, [bucket.name])).get(bucket.name)
            async with answered_soon():
                (now,) = await take_snapshots(self._stock, [bucket.name])
            if locked is None or not now.is_open or now.epoch != locked.epoch:
                return 0  # being loaded or removed: the next pass sees
            committed = await _committed(session, now.pending)
        in_flight = sum(claim.quantity for claim in now.pending if claim.reservation_id not in committed)
        return now.available + in_flight - (locked.total - locked.taken)

    async def _recover(self, bucket: LedgerBucket, snapshot: StockSnapshot) -> int:
        """Settles claims that are older than any living process would leave them.

        Should such a commit arrive after all, its own settlement takes the units back out.
        """
        oldest_ms = snapshot.now_ms - int(self._settings.pending_seconds_max * 1000)
        left = [claim for claim in snapshot.pending if claim.claimed_ms < oldest_ms]
        if not left:
            return 0
        async with self._postgres.read() as session:
            committed = await _committed(session, left)
        settlements = [
            Settlement(
                bucket.name,
                claim.operation,
                claim.reservation_id,
                claim.user_id,
                claim.quantity,
                _STRIKE_OFF if claim.reservation_id in committed else None,
            )
            for claim in left
        ]
        await run_all(self._stock, settle_calls(settlements))
        for each in settlements:
            metrics.CLAIMS_RECOVERED.labels(verdict="refused" if each.epoch is None else "committed").inc()
        return len(left)


async def _committed(session: ReadSession, claims: Sequence[PendingClaim]) -> set[UUID]:
    """Which of the claims have become reservations."""
    ids = [claim.reservation_id for claim in claims]
    if not ids:
        return set()
    found = await session.execute(
        select(Reservation.reservation_id).where(Reservation.reservation_id.in_(ids))
    )
    return set(found.scalars())
