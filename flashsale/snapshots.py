"""What Redis believes about buckets at one instant each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from flashsale import keys
from flashsale.rules import BucketName
from kit.lua import LuaCall, LuaScript, run_all

_LOOK: Final = LuaScript.from_file("flashsale", "look")


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
    """One bucket in Redis. Not `is_open`: absent, being loaded, or loaded into another server process (this one
    may have gone back in time); then the numbers mean nothing. `buyers` counts who has ever had some under this load."""

    is_open: bool
    available: int
    epoch: int
    buyers: int
    pending: tuple[PendingClaim, ...]
    now_ms: int

    @property
    def pending_units(self) -> int:
        return sum(claim.quantity for claim in self.pending)


async def take_snapshots(
    stock: Redis, names: Sequence[BucketName], *, claims: bool = True
) -> list[StockSnapshot]:
    """One snapshot a bucket, each of one instant, in one round trip; without `claims`, `pending` is left empty.

    Raises redis errors unchanged.
    """
    if not names:
        return []
    answers = await run_all(stock, [LuaCall(_LOOK, bucket_keys(name), [int(claims)]) for name in names])
    return [_snapshot(answer) for answer in answers]


def bucket_keys(name: BucketName) -> list[str]:
    """The keys of a bucket, in the order its scripts take them."""
    return [keys.stock(*name), keys.pending(*name), keys.buyers(*name)]


def _snapshot(answer: object) -> StockSnapshot:
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, list)
    is_open, available, epoch, buyers, now_ms, pending = answer
    return StockSnapshot(
        bool(is_open), int(available), int(epoch), buyers, tuple(_claims(iter(pending))), int(now_ms)
    )


def _claims(pending: Iterator[bytes]) -> Iterator[PendingClaim]:
    for operation in pending:
        reservation_id, user_id, quantity, claimed_ms = next(pending).decode().split(" ")
        yield PendingClaim(
            operation.decode(), UUID(reservation_id), user_id, int(quantity), int(float(claimed_ms))
        )
