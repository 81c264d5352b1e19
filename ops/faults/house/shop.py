"""One trial's sale in the house: its shoppers, what is measured of them, and the judge's word at the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

import httpx
from redis.asyncio import Redis
from sqlalchemy import text

from kit.tasks import end_tasks
from ops.faults.house.buyers import Buyer, Diary, Stuck
from ops.faults.house.door import AGAIN_SECONDS, Door
from ops.faults.house.house import House
from ops.faults.house.terms import SKU, Terms, apply_sale
from ops.faults.matrix import Found
from ops.invariants.judge import judge
from ops.invariants.truths import Bounds
from ops.run.standing import read_standing, wait_for_rest
from ops.run.stores import Stores

Result = TypeVar("Result")

GOOD_SECONDS: Final = 1.0  # an answer that comes later is no goodput
WAVE_PER_SECOND: Final = 40.0
REST_SECONDS_MAX: Final = 60.0
SELL_OUT_SECONDS_MAX: Final = 20.0  # a claim of a dead process comes back after ten, with the next repair
PATIENCE_SECONDS_MAX: Final = 60.0  # what has not happened by then never will
PAYS: Final = 0.8  # who does not pay gives the unit back, and somebody else gets it


@dataclass(slots=True)
class Shop:
    """The sale of one trial, open or about to open."""

    house: House
    stores: Stores
    door: Door
    diary: Diary
    broker: Redis
    dice: Random
    sale_id: str
    terms: Terms
    wrong: list[str] = field(default_factory=list)  # what rows themselves have found
    buyers: list[Buyer] = field(default_factory=list)
    _waiting: list[Buyer] = field(default_factory=list)
    _beside: list[asyncio.Task[Any]] = field(default_factory=list)
    _afterwards: list[asyncio.Task[None]] = field(default_factory=list)

    def newcomers(self, number: int) -> list[Buyer]:
        """So many shoppers who have done nothing yet."""
        fresh = [
            Buyer(
                self.door, self.diary, self.dice, self.sale_id, SKU,
                f"{self.sale_id}-u{len(self.buyers) + place}",
            )
            for place in range(number)
        ]  # fmt: skip
        self.buyers += fresh
        return fresh

    async def let_in(self, number: int) -> None:
        """So many shoppers come in; `take` has them. Raises `Stuck`."""
        fresh = self.newcomers(number)
        await asyncio.gather(*(buyer.come_in() for buyer in fresh))
        self._waiting += fresh

    def take(self, number: int | None = None) -> list[Buyer]:
        """The next who are inside and have not asked for anything yet; all of them without a number."""
        taken, self._waiting = self._waiting[:number], self._waiting[len(self._waiting[:number]) :]
        return taken

    def give_back(self, buyer: Buyer) -> None:
        """Puts one who was taken back among those who wait."""
        self._waiting.append(buyer)

    async def wave(self, buyers: Sequence[Buyer], *, then_pay: bool = True) -> float:
        """They come by the clock, not when the last was served; goodput, in answers within a second, a second."""
        began = time.monotonic()

        async def come(buyer: Buyer, at: float) -> bool:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            answer = await buyer.reserve()
            good = answer.status in {201, 409} and time.monotonic() - at <= GOOD_SECONDS
            if then_pay and answer.ok:
                self.later(self.finish(buyer))
            return good

        planned = [began + (place + self.dice.random()) / WAVE_PER_SECOND for place in range(len(buyers))]
        good = await asyncio.gather(*(come(b, at) for b, at in zip(buyers, planned, strict=True)))
        return WAVE_PER_SECOND * sum(good) / len(buyers)

    async def finish(self, buyer: Buyer) -> None:
        """Most pay; the others give back what they hold."""
        if self.dice.random() < PAYS:
            await buyer.pay()
        else:
            await buyer.release()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that goes on beside the rest and is waited for before the judgement."""
        self._afterwards.append(self.beside(work))

    def beside(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Something that goes on meanwhile; what has not ended with the trial is ended then."""
        task = asyncio.create_task(work)
        self._beside.append(task)
        return task

    async def close(self) -> None:
        """Ends what still goes on beside."""
        await end_tasks(self._beside)
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def settle(self) -> None:
        """Waits for what goes on beside. Raises what a shopper met."""
        while self._afterwards:
            await self._afterwards.pop()

    async def sell_out(self) -> None:
        """The rest come, again and again, until every unit is taken or nobody is left who could take one."""
        ends, waiting = time.monotonic() + SELL_OUT_SECONDS_MAX, self.take()
        await self.settle()
        while waiting and time.monotonic() < ends and await self.units_free() > 0:
            answer = await waiting[0].reserve()
            if answer.code == "sold_out":
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            buyer = waiting.pop(0)
            if answer.ok:
                self.later(buyer.pay())

    async def units_free(self) -> int:
        return self.terms.units - (await read_standing(self.stores.postgres, self.sale_id)).units_taken

    async def until(
        self, what: str, happened: Callable[[], Awaitable[bool]], *, seconds_max: float = PATIENCE_SECONDS_MAX
    ) -> float:
        """Waits until it has; the seconds that took. Raises `Stuck`, naming it."""
        began = time.monotonic()
        while not await happened():
            if time.monotonic() - began > seconds_max:
                raise Stuck(f"never: {what}")
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def count(self, statement: str, **parameters: Any) -> int:
        """The number that one statement about this sale answers."""
        async with self.stores.postgres.read() as session:
            given = {"sale_id": self.sale_id} if ":sale_id" in statement else {}
            return int(await session.scalar(text(statement), given | parameters) or 0)

    async def announce(self, sale_id: str, opens_in_seconds: float) -> str:
        """Applies another sale of these terms, and waits until the gateway knows it; its id."""
        await apply_sale(self.stores.postgres, sale_id, self.terms, opens_in_seconds)
        await self.until_shown(sale_id)
        return sale_id

    async def until_shown(self, sale_id: str) -> None:
        """Waits until the gateway tells of a sale. Raises `Stuck`."""

        async def shown() -> bool:
            answer = await self.door.once("GET", f"/v1/sales/{sale_id}/queue")
            return answer.ok and not answer.get("stale")

        await self.until("the sale is shown", shown)

    async def misbehave(self, **ratios: float) -> None:
        """What the provider does wrong from now on; nothing without arguments. Raises httpx errors."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.put(
                f"{self.house.plan.simulator_url}/misbehaviour",
                json={"seed": self.dice.getrandbits(16), **ratios},
                headers={"Authorization": f"Bearer {self.house.environment['PROVIDER_API_KEY']}"},
            )
            answer.raise_for_status()

    async def found(
        self,
        injected: str,
        *,
        recovery_seconds: float | None = None,
        goodput: tuple[float, float] | None = None,
        sells_out: bool = True,
    ) -> Found:
        """Waits until nothing is on its way, and asks the judge: ledger, Redis, the provider's book, the shoppers."""
        await self.settle()
        rest = await wait_for_rest(
            self.stores.postgres, self.sale_id, self.stores.book, seconds_max=REST_SECONDS_MAX
        )
        if rest is None or rest.under_way:
            self.wrong.append(f"never_at_rest: {rest}")
        for buyer in self.buyers:
            await buyer.look_back()
        rows = await judge(
            self.stores.postgres,
            self.stores.redis.stock,
            self.stores.redis.queue,
            self.stores.book,
            self.diary.path,
            sale_id=self.sale_id,
            bounds=Bounds.closing(),
        )
        broken = [f"{row.id}: {row.value}" for row in rows if not row.holds]
        before, after = goodput or (None, None)
        return Found(
            injected=injected,
            violations=(*broken, *self.wrong),
            recovery_seconds=recovery_seconds,
            goodput_before_per_second=before,
            goodput_after_per_second=after,
            unsold_units=await self.units_free() if sells_out else 0,
        )
