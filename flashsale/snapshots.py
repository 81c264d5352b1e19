"""What Redis believes about items at one instant each."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from flashsale import keys
from flashsale.rules import ItemName


@dataclass(frozen=True, slots=True)
class PendingClaim:
    """A claim whose commit has not been reported."""

    operation: str
    reservation_id: UUID
    user_id: str
    quantity: int
    claimed_ms: int


@dataclass(frozen=True, slots=True)
class StockSnapshot:
    """One item in Redis. Not `is_open`: absent, being loaded, or loaded into another server process (this one
    may have gone back in time); then the numbers mean nothing."""

    is_open: bool
    available: int
    epoch: int
    pending: tuple[PendingClaim, ...]
    now_ms: int

    @property
    def pending_units(self) -> int:
        return sum(claim.quantity for claim in self.pending)


async def take_snapshots(stock: Redis, names: Sequence[ItemName]) -> list[StockSnapshot]:
    """One snapshot an item, its hashes read in one transaction. Raises redis errors unchanged."""
    snapshots = []
    for name in names:
        pipeline = stock.pipeline(transaction=True)
        pipeline.hmget(keys.stock(*name), ["available", "epoch", "open", "run"])
        pipeline.hgetall(keys.pending(*name))
        pipeline.time()
        pipeline.info("server")
        (available, epoch, is_open, run), pending, (seconds, microseconds), server = await pipeline.execute()
        snapshots.append(
            StockSnapshot(
                is_open=None not in (is_open, available, run) and run.decode() == server["run_id"],
                available=int(available or 0),
                epoch=int(epoch or 0),
                pending=tuple(_claim(operation, value) for operation, value in pending.items()),
                now_ms=seconds * 1000 + microseconds // 1000,
            )
        )
    return snapshots


def _claim(operation: bytes, value: bytes) -> PendingClaim:
    reservation_id, user_id, quantity, claimed_ms = value.decode().split(" ")
    return PendingClaim(
        operation.decode(), UUID(reservation_id), user_id, int(quantity), int(float(claimed_ms))
    )
