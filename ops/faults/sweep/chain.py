"""What happens in a trial: a small sale with one of everything, and what is done until it has come to rest."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from flashsale.upkeep import StockView, stock_views
from ops.faults.sweep import scene
from ops.faults.sweep.process import SaleProcess, open_process
from ops.faults.sweep.shoppers import Shoppers

BUYERS: Final = ["ada", "bo", "cy", "di", "lee"]
# One more than there are units left for; at home in one bucket, so that it borrows from the other.
CROWD: Final = ["flo", "gus", "hal"]
WORKED_SECONDS_MAX: Final = (
    0.6  # a message takes milliseconds; one that died with its actor is rung for again
)
REST_ROUNDS_MAX: Final = 20
ROUNDS_MAX: Final = 100  # a killed leader's lock is free when PostgreSQL sees its connection closed
LOADED_AGAIN: Final = 2  # the epoch of an item that was loaded into Redis twice
LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a trial's process. `without` names a guard that is taken away."""

    sale_id: str
    history: str
    verdict: str
    environment: Mapping[str, str]
    steps: str = ""
    without: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self))


async def live(life: Life) -> None:
    """Lives it. What is wrong at its end is written into the file `verdict`."""
    began = time.monotonic()
    async with open_process(life.sale_id) as process:
        shoppers = Shoppers(process, life.sale_id, life.history)
        chain = Chain(process, shoppers, life.sale_id)
        await chain.run()
        wrong = await chain.rest()
        rested = time.monotonic() - began
        wrong += await chain.sell_out()
        wrong += [f"never_answered {each}" for each in shoppers.unanswered]
    write_verdict(Path(life.verdict), wrong, rested)


def write_verdict(file: Path, wrong: list[str], rest_seconds: float) -> None:
    """What a life found wrong at its end, and the seconds it took to come to rest."""
    file.write_text(json.dumps({"wrong": wrong, "rest_seconds": rest_seconds}), encoding="utf-8")


def read_verdict(file: Path) -> tuple[list[str], float]:
    """See `write_verdict`."""
    said = json.loads(file.read_text(encoding="utf-8"))
    return said["wrong"], said["rest_seconds"]


class Chain:
    """The sale, from the waiting room to the reward. Each part may be done again by a later process."""

    def __init__(self, process: SaleProcess, shoppers: Shoppers, sale_id: str) -> None:
        self._process, self._shoppers, self._sale_id = process, shoppers, sale_id

    async def run(self) -> None:
        """Reserve, repeat, pay, pay late, pay wrongly, pay unheard, release, expire, reload, announce, reward, refund."""
        await self._duties("stock_repair", "rooms")
        await self._shoppers.queue_up(BUYERS)
        await self._buy("ada")
        await self._buy("bo", late=True)
        await self._buy("cy", amount_minor=1)
        await self._buy("lee", notice_lost=True)
        await self._change_mind("di")
        await self._lose_redis()
        await self._duties("stock_repair", "rooms", "outbox_relay")
        await self._until(lambda left: left.events == 0)
        await self._duties("payout_ring", "refund_ring")
        await self._until(lambda left: left.is_nothing)

    async def rest(self) -> list[str]:
        """Does what a keeper does until nothing is left to do; what would not end."""
        left = await self._left()
        for _ in range(REST_ROUNDS_MAX):
            await scene.let_time_pass(self._process.postgres, self._sale_id)
            await self._duties(*self._process.duties.at_rest)
            left = await self._until(lambda left: left.is_nothing)
            if left.is_nothing:
                return []
        return [f"unfinished {left}"]

    async def sell_out(self) -> list[str]:
        """Sells what is left to a crowd that is larger, to exactly zero: a unit that nobody can buy is lost."""
        await self._shoppers.queue_up(CROWD)
        await asyncio.gather(*(self._shoppers.reserve(name) for name in CROWD))
        await self._duties("rooms", "stock_repair")
        return [f"stock_not_at_zero {view}" for view in await self._views() if not _is_at_zero(view)]

    async def _buy(
        self, name: str, *, late: bool = False, amount_minor: int | None = None, notice_lost: bool = False
    ) -> None:
        reserved = await self._shoppers.reserve(name)
        if reserved is None:
            return
        await self._shoppers.reserve(name)
        reservation_id = reserved.reservation.reservation_id
        await self._shoppers.open_payment(name, reservation_id)
        if late:
            await self._lapse(reservation_id)
        for payment in await self._shoppers.payments(name):
            await self._shoppers.pay(name, payment, amount_minor=amount_minor, notice_lost=notice_lost)

    async def _lapse(self, reservation_id: UUID) -> None:
        await scene.let_hold_lapse(self._process.postgres, reservation_id)
        await self._duties("hold_expiry")

    async def _lose_redis(self) -> None:
        """Once a sale: a second loss would mend in passing what an earlier process left behind in Redis."""
        if any(view.epoch < LOADED_AGAIN for view in await self._views()):
            await scene.lose_stock(self._process.redis.stock, self._sale_id)

    async def _change_mind(self, name: str) -> None:
        reserved = await self._shoppers.reserve(name)
        if reserved is not None:
            await self._shoppers.release(name, reserved.reservation.reservation_id)

    async def _duties(self, *names: str) -> None:
        for name in names:
            await self._shoppers.ask(name, self._duty(name), asks_max=ROUNDS_MAX)

    def _duty(self, name: str) -> Callable[[], Awaitable[Any]]:
        return lambda: self._process.duties.run(name)

    async def _until(self, wanted: Callable[[scene.Unfinished], bool]) -> scene.Unfinished:
        """What is left when it is as wanted, or when that takes too long."""
        deadline = time.monotonic() + WORKED_SECONDS_MAX
        while True:
            left = await self._left()
            if wanted(left) or time.monotonic() >= deadline:
                return left
            await asyncio.sleep(LOOK_SECONDS)

    async def _views(self) -> list[StockView]:
        async with self._process.postgres.read() as session:
            return await stock_views(session, self._process.redis.stock, self._sale_id)

    async def _left(self) -> scene.Unfinished:
        async with self._process.postgres.read() as session:
            return await scene.look(session, self._sale_id)


def _is_at_zero(view: StockView) -> bool:
    return (view.total - view.taken, view.redis_available, view.redis_pending) == (0, 0, 0)
