"""Redis's side of the stock: claims in batches, their settlement, units that come back.

Redis may say no by itself and yes only for PostgreSQL to confirm. Whatever is reported here may be lost: the repair
finds it. Nothing that could raise the stock is ever sent twice.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from flashsale import keys
from flashsale.rules import BucketName, Wish
from flashsale.sales import SaleBook
from flashsale.snapshots import bucket_keys
from kit.lua import LuaCall, LuaScript, run_all
from kit.redis import is_away

log = structlog.get_logger()

Claim = Literal[
    "claimed", "in_progress", "limit_reached", "sold_out", "sold_out_to_buyer", "not_loaded", "away"
]

SETTLEMENTS_MAX: Final = 2000  # a few batches; what Redis does not take in time is left to the repair
_PIECE: Final = 1000  # operations a call: a script hands them all to one command, and Lua bounds those

_CLAIM = LuaScript.from_file("flashsale", "claim")
_SETTLE = LuaScript.from_file("flashsale", "settle")
_GIVE_BACK = LuaScript.from_file("flashsale", "give_back")
_pack: Final = msgspec.msgpack.Encoder().encode
_CLAIMS: Final[dict[bytes, Claim]] = {name.encode(): name for name in get_args(Claim)}


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What became of one claim: a reservation under the ledger's `epoch`, or nothing (`epoch` None)."""

    bucket: BucketName
    operation: str
    reservation_id: UUID
    user_id: str
    quantity: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class EndedHold:
    """Units that an ended hold gave back to the ledger under `epoch`."""

    sale_id: str
    sku: str
    bucket: int
    user_id: str
    quantity: int
    epoch: int


def operation(wish: Wish) -> str:
    """What one user's one key is called in Redis: the same in every process. Neither has a space in it."""
    return f"{wish.user_id} {wish.key}"


class StockClaims:
    """One process's way to the stock in Redis."""

    def __init__(self, stock: Redis, book: SaleBook, *, rest_seconds: float) -> None:
        self._stock, self._book, self._rest_seconds = stock, book, rest_seconds
        self._resting_until = 0.0
        self._settlements: list[Settlement] = []

    async def claim(self, wishes: Sequence[Wish]) -> list[Claim]:
        """One outcome a wish, in one round trip that also carries the settlements of earlier batches."""
        if time.monotonic() < self._resting_until:
            return ["away"] * len(wishes)
        by_bucket: dict[BucketName, list[Wish]] = defaultdict(list)
        for wish in wishes:
            by_bucket[wish.bucket].append(wish)
        answers = await self._send_claims([self._claim_call(*each) for each in by_bucket.items()])
        outcomes = [
            _outcomes(answer, len(asked)) for asked, answer in zip(by_bucket.values(), answers, strict=True)
        ]
        if len(outcomes) == 1:
            return outcomes[0]
        said = {name: iter(each) for name, each in zip(by_bucket, outcomes, strict=True)}
        return [next(said[wish.bucket]) for wish in wishes]

    def settle(self, wish: Wish, *, epoch: int | None) -> None:
        """Notes what became of a claim, for the next round trip; see `Settlement`."""
        if len(self._settlements) < SETTLEMENTS_MAX:
            self._settlements.append(
                Settlement(
                    wish.bucket,
                    operation(wish),
                    wish.reservation_id,
                    wish.user_id,
                    wish.quantity,
                    epoch,
                )
            )

    async def flush(self) -> None:
        """Reports what is noted, when no batch is there to carry it. Never raises for a Redis that is away."""
        settle_calls = self._take_settlements()
        if not settle_calls or time.monotonic() < self._resting_until:
            return
        try:
            await run_all(self._stock, settle_calls)
        except (RedisError, OSError) as error:
            self._rest(error)

    async def _send_claims(self, calls: Sequence[LuaCall]) -> list[object]:
        settle_calls = self._take_settlements()
        try:
            answers = await run_all(self._stock, [*settle_calls, *calls])
            return answers[len(settle_calls) :]
        except RedisConnectionError:
            # The connection broke and the answers with it. The same operations may be sent again, because each takes
            # effect once; the settlements may not, and are left to the repair.
            return await self._send_again(calls)
        except (RedisError, OSError) as error:
            return self._rest(error, len(calls))

    async def _send_again(self, calls: Sequence[LuaCall]) -> list[object]:
        try:
            return list(await run_all(self._stock, calls))
        except (RedisError, OSError) as error:
            return self._rest(error, len(calls))

    def _rest(self, error: Exception, answers: int = 0) -> list[object]:
        self._resting_until = time.monotonic() + self._rest_seconds
        log.warning("stock_redis_away", error=type(error).__name__)
        return [error] * answers

    def _take_settlements(self) -> list[LuaCall]:
        noted, self._settlements = self._settlements, []
        return settle_calls(noted)

    def _claim_call(self, name: BucketName, wishes: Sequence[Wish]) -> LuaCall:
        item = self._book.get(name[0]).item(name[1])
        columns = (
            [operation(wish) for wish in wishes],
            [wish.reservation_id for wish in wishes],
            [wish.user_id for wish in wishes],
            [wish.quantity for wish in wishes],
        )
        return LuaCall(
            _CLAIM, bucket_keys(name), [item.per_user_limit if item is not None else 0, _pack(columns)]
        )


def settle_calls(settlements: Sequence[Settlement]) -> list[LuaCall]:
    """One call for each bucket and fate that there is to report, in pieces that a script can take."""
    by_fate: dict[tuple[BucketName, int | None], list[Settlement]] = defaultdict(list)
    for each in settlements:
        by_fate[each.bucket, each.epoch].append(each)
    return [
        _settle_call(fate, settled[start : start + _PIECE])
        for fate, settled in by_fate.items()
        for start in range(0, len(settled), _PIECE)
    ]


def _settle_call(fate: tuple[BucketName, int | None], settled: Sequence[Settlement]) -> LuaCall:
    name, epoch = fate
    columns = (
        [each.operation for each in settled],
        [each.reservation_id for each in settled],
        [each.user_id for each in settled],
        [each.quantity for each in settled],
    )
    return LuaCall(_SETTLE, bucket_keys(name), ["" if epoch is None else epoch, _pack(columns)])


async def give_back(stock: Redis, ended: Sequence[EndedHold]) -> None:
    """Returns units to Redis after the commit that ended their holds; sent once, raises redis errors unchanged."""
    by_bucket: dict[BucketName, list[str | bytes | int]] = defaultdict(list)
    for hold in ended:
        by_bucket[hold.sale_id, hold.sku, hold.bucket] += [hold.user_id, hold.quantity, hold.epoch]
    await run_all(
        stock,
        [
            LuaCall(_GIVE_BACK, [keys.stock(*name), keys.buyers(*name)], arguments)
            for name, arguments in by_bucket.items()
        ],
    )


def _outcomes(answer: object, count: int) -> list[Claim]:
    if isinstance(answer, Exception):
        if not is_away(answer):
            log.error("claim_script_failed", error=type(answer).__name__)
        return ["away"] * count
    if answer == b"not_loaded":
        return ["not_loaded"] * count
    assert isinstance(answer, list)
    return [_CLAIMS[each] for each in answer]
