"""What can only be measured from within: the one file of the load tests that imports the rooms.

`gateway` is the gateway with a committer that writes nothing: it shows what every duty but the commit costs, as nginx
with Lua and Redis does them. No setting of the gateway leads here, and without the bench's own mark in the environment
it does not start: what it grants nobody remembers. `limiter` calls the limits as the gateway does, with no HTTP around;
`ledger` runs the statements of the group commit, with neither HTTP nor Redis before them, and `claims` the scripts of the
stock, with neither HTTP nor a commit behind them.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import uvloop

from flashsale import reservations
from flashsale.committer import Committed, GroupCommitter
from flashsale.ledger import Decision, hold, lock_buckets
from flashsale.rules import BucketName, ItemState, Wish
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from flashsale.stock import StockClaims
from flashsale.upkeep import StockRepair
from gateway.__main__ import main as serve_gateway
from kit.clock import SystemClock
from kit.errors import DomainError
from kit.ids import new_id
from kit.postgres import Postgres
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings, read_settings
from loadtests.bench.baselines.limiters import KEYS, QUOTA
from loadtests.bench.servers import BENCH_MARK
from queueing.limits.decisions import Decision as LimitDecision
from queueing.limits.policy import SECOND_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings

EXIT_REFUSED: Final = 2
OUTSTANDING: Final = (
    256  # requests that wait for their limits at once, as in a gateway whose connections are all busy
)


class Unwritten(GroupCommitter):
    """Grants what Redis has claimed, at once and for nobody to find again. It reads each bucket's facts one time."""

    _items: dict[BucketName, ItemState]

    async def commit(self, wishes: Sequence[Wish]) -> list[Committed]:
        items = await self._facts({wish.bucket for wish in wishes})
        return [
            Decision("granted", held, items[wish.bucket])
            for wish, held in zip(wishes, hold(wishes, items, datetime.now(UTC)), strict=True)
        ]

    async def find_replays(self, wishes: Sequence[Wish]) -> list[Decision | None]:
        return [None] * len(wishes)

    async def _facts(self, names: set[BucketName]) -> dict[BucketName, ItemState]:
        known: dict[BucketName, ItemState] = getattr(self, "_items", {})
        if not names <= known.keys():
            async with self._postgres.unit_of_work() as session:
                known = {**known, **await lock_buckets(session, names - known.keys())}
            self._items = known
        return known


class Caller:
    """Asks again as soon as it is told, as one busy connection of the gateway does."""

    def __init__(
        self, limits: Limits, policies: Sequence[LimitPolicy], names: "itertools.cycle[str]"
    ) -> None:
        self._limits, self._policies, self._names = limits, policies, names
        self.is_open = True
        self.checks = self.allowed = 0
        self.error: DomainError | None = None

    def ask(self) -> None:
        name = next(self._names)
        self._limits.submit([Check(policy, name) for policy in self._policies], 1, self)

    def tell(self, answer: LimitDecision) -> None:
        self.checks += 1
        self.allowed += answer.allowed and not answer.degraded
        # Without Redis it is told at once, in this very call; asking again would never end, and is not the question.
        if self.is_open and not answer.degraded:
            self.ask()

    def refuse(self, error: DomainError) -> None:
        self.error = error


async def call_limits(policies: int, seconds: float) -> dict[str, float]:
    """So many limits in each call. Raises what a caller was refused with."""
    redis = connect(os.environ["REDIS_LIMITS_URL"], read_settings(RedisSettings), purpose="limits")
    limits = Limits(redis, read_settings(LimitSettings), SystemClock())
    await limits.start()
    named = [LimitPolicy(f"limit-{number}", QUOTA, SECOND_US) for number in range(policies)]
    names = itertools.cycle([f"shopper-{number}" for number in range(KEYS)])
    callers = [Caller(limits, named, names) for _ in range(OUTSTANDING)]
    started = time.perf_counter()
    for caller in callers:
        caller.ask()
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.is_open = False
    elapsed = time.perf_counter() - started
    counted = {
        "checks": float(sum(c.checks for c in callers)),
        "allowed": float(sum(c.allowed for c in callers)),
    }
    await limits.stop()
    await redis.aclose()
    for caller in callers:
        if caller.error is not None:
            raise caller.error
    return {**counted, "seconds": elapsed}


async def call_ledger(sale_id: str, sku: str, seconds: float) -> dict[str, float]:
    """Batches of first wishes on as many lanes as the gateway has, each full; rows committed, and the seconds that took."""
    settings = read_settings(FlashsaleSettings)
    postgres = Postgres(read_settings(PostgresSettings))
    committer = GroupCommitter(postgres, settings)
    started = time.perf_counter()

    async def fill_lane() -> int:
        rows = 0
        while not rows or time.perf_counter() < started + seconds:
            done = await committer.commit([_wish(sale_id, sku) for _ in range(settings.batch_max)])
            if not all(isinstance(each, Decision) and each.verdict == "granted" for each in done):
                raise RuntimeError(f"not granted: {done[0]}")
            rows += len(done)
        return rows

    lanes = await asyncio.gather(*(fill_lane() for _ in range(settings.lanes)))
    elapsed = time.perf_counter() - started
    await postgres.close()
    return {"rows": float(sum(lanes)), "seconds": elapsed}


async def call_claims(sale_id: str, sku: str, seconds: float) -> dict[str, float]:
    """Full batches over the item's buckets, claimed and in the next round trip given up again: stock and memory stay as
    they are. Claims that both happened to, and the seconds that took. Raises when one is not granted."""
    settings = read_settings(FlashsaleSettings)
    postgres, redis = (
        Postgres(read_settings(PostgresSettings)),
        connect(os.environ["REDIS_STOCK_URL"], read_settings(RedisSettings), purpose="stock"),
    )
    book = SaleBook()
    await book.refresh(postgres)
    item = book.get(sale_id).item(sku)
    if item is None:
        raise RuntimeError(f"{sale_id} has no {sku}")
    await StockRepair(postgres, redis, settings).run_once()

    async def fill_lane() -> int:
        claims, done = StockClaims(redis, book, rest_seconds=1.0), 0
        while not done or time.perf_counter() < started + seconds:
            wishes = [_wish(sale_id, sku, place % item.buckets) for place in range(settings.batch_max)]
            outcomes = await claims.claim(wishes)
            if set(outcomes) != {"claimed"}:
                raise RuntimeError(f"not claimed: {set(outcomes)}")
            for wish in wishes:
                claims.settle(wish, epoch=None)
            done += len(wishes)
        await claims.flush()
        return done

    started = time.perf_counter()
    lanes = await asyncio.gather(*(fill_lane() for _ in range(settings.lanes)))
    elapsed = time.perf_counter() - started
    await redis.aclose()
    await postgres.close()
    return {"claims": float(sum(lanes)), "seconds": elapsed}


def _wish(sale_id: str, sku: str, bucket: int = 0) -> Wish:
    wish_id = new_id()
    user_id = f"ledger-{wish_id.hex}"
    return Wish(
        wish_id, sale_id, sku, user_id, 1, "key", b"fingerprint-sixteen", wish_id, 0, None, (sale_id, sku, bucket), 1
    )  # fmt: skip


def main(words: Sequence[str]) -> int:
    if os.environ.get(BENCH_MARK) != "1":
        sys.stderr.write("This gateway remembers nothing it grants; only a bench may start it.\n")
        return EXIT_REFUSED
    what, *rest = words
    if what == "gateway":
        vars(reservations)["GroupCommitter"] = Unwritten
        uvloop.run(serve_gateway())
    else:
        asked: dict[str, Callable[[], Coroutine[Any, Any, dict[str, float]]]] = {
            "ledger": lambda: call_ledger(rest[0], rest[1], float(rest[2])),
            "claims": lambda: call_claims(rest[0], rest[1], float(rest[2])),
            "limiter": lambda: call_limits(int(rest[0]), float(rest[1])),
        }
        done = uvloop.run(asked[what]())
        sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
