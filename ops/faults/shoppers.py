"""The crowd of a trial: each wants one unit, asks again under the same key until told, then pays, gives it back, or keeps it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar
from uuid import UUID, uuid4

from flashsale.errors import InProgress, SoldOut
from flashsale.facts import Admitted, PaymentHandle, Reservation, Reserved, ReserveRequest
from kit.errors import Unavailable
from kit.ids import new_id
from ops.faults.witness import Witness

Fate = Literal["pays", "releases", "keeps"]
T = TypeVar("T")

# All bounds of the services in a trial together, more than twice: connect, ask, ask again, commit, read back, wait for a connection.
ANSWER_SECONDS_MAX: Final = 15.0
ARRIVE_SECONDS: Final = 0.4  # the crowd arrives within so long, so that there is a middle of the sale
PAUSE_SECONDS: Final = 0.03  # between two asks; a real shopper waits a second
GOOD_SECONDS_MAX: Final = 1.0  # an answer that took longer is no good one
FIRST_PLACE: Final = 1000  # of bystanders in the queue; shoppers stand before them


class Counter(Protocol):
    """What a shopper can do at one process. Each may raise `Unavailable`, and then the same may be asked again."""

    async def reserve(self, request: ReserveRequest) -> Reserved: ...

    async def open_payment(self, reservation_id: UUID, user_id: str) -> PaymentHandle: ...

    async def pay(self, handle: PaymentHandle) -> str: ...

    async def release(self, reservation_id: UUID, user_id: str) -> Reservation: ...


@dataclass(slots=True)
class Shopper:
    """One who wants a unit. `state`: wanting (not served, or told sold out), busy (served, not at the end yet), done."""

    user_id: str
    fate: Fate
    arrives_seconds: float
    key: str
    state: Literal["wanting", "busy", "done"] = "wanting"


def a_crowd(seed: int, shoppers: int) -> list[Shopper]:
    """`shoppers` people: a fifth gives back what it got, half pays, the rest keeps its hold."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    fates: list[Fate] = []
    fates.extend(["releases"] * (shoppers // 5))
    fates.extend(["pays"] * (shoppers // 2))
    fates.extend(["keeps"] * (shoppers - len(fates)))
    dice.shuffle(fates)
    return [
        Shopper(f"shopper-{seed}-{place}", fate, dice.uniform(0, ARRIVE_SECONDS), f"key-{seed}-{place}")
        for place, fate in enumerate(fates)
    ]


class Crowd:
    """Shops at `counters`, which are as many processes; whoever is not served turns to the next one."""

    def __init__(
        self,
        shoppers: Sequence[Shopper],
        counters: Sequence[Counter],
        sale_id: str,
        sku: str,
        witness: Witness,
    ) -> None:
        self.shoppers, self.counters, self.witness = shoppers, counters, witness
        self._sale_id, self._sku = sale_id, sku
        self.served = 0
        self.closed = False
        self._more = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether somebody was served and has not come to an end."""
        return any(each.state == "busy" for each in self.shoppers)

    async def serves(self, shoppers: int) -> None:
        """Returns once so many have been served."""
        while self.served < shoppers:
            self._more.clear()
            await self._more.wait()

    async def shop(self) -> None:
        """Ends when everybody is served, or soon after `closed`."""
        await asyncio.gather(*(self._shop(place, each) for place, each in enumerate(self.shoppers)))

    async def _shop(self, place: int, shopper: Shopper) -> None:
        await asyncio.sleep(shopper.arrives_seconds)
        reserved = await self._reserve(place, shopper)
        if reserved is None:
            return
        shopper.state = "busy"
        self.served += 1
        self._more.set()
        if shopper.fate == "pays":
            await self._pay(place, shopper, reserved)
        elif shopper.fate == "releases":
            await self._release(place, shopper, reserved)
        shopper.state = "done"

    async def _reserve(self, place: int, shopper: Shopper) -> Reserved | None:
        admitted = Admitted(self._sale_id, shopper.user_id, uuid4(), place)
        request = ReserveRequest(admitted, self._sku, 1, shopper.key)
        tries = 0
        while not self.closed:
            counter = self.counters[(place + tries) % len(self.counters)]
            tries += 1
            asked_at = self.witness.clock.seconds()
            try:
                reserved = await self._answered(shopper, counter.reserve(request))
            except SoldOut as refused:
                self._refused(shopper, refused.code, asked_at)
            except (Unavailable, InProgress):
                pass
            else:
                if reserved is not None:
                    self.witness.reserved(asked_at, reserved, shopper.key)
                return reserved
            await asyncio.sleep(PAUSE_SECONDS)
        return None

    def _refused(self, shopper: Shopper, code: str, asked_at: float) -> None:
        self.witness.tell(
            shopper.user_id, "refused", asked_at=asked_at, status=409, code=code, sku=self._sku, quantity=1
        )

    async def _pay(self, place: int, shopper: Shopper, reserved: Reserved) -> None:
        reservation_id = reserved.reservation.reservation_id
        handle = await self._until_told(
            place, shopper, lambda counter: counter.open_payment(reservation_id, shopper.user_id)
        )
        if handle is None:
            return
        asked_at = self.witness.clock.seconds()
        outcome = await self._until_told(place, shopper, lambda counter: counter.pay(handle))
        if outcome == "confirmed":
            self._ended(shopper, "confirmed", reservation_id, asked_at)

    async def _release(self, place: int, shopper: Shopper, reserved: Reserved) -> None:
        reservation_id = reserved.reservation.reservation_id
        asked_at = self.witness.clock.seconds()
        released = await self._until_told(
            place, shopper, lambda counter: counter.release(reservation_id, shopper.user_id)
        )
        if released is not None:
            self._ended(shopper, "released", reservation_id, asked_at)

    def _ended(self, shopper: Shopper, what: str, reservation_id: UUID, asked_at: float) -> None:
        self.witness.tell(
            shopper.user_id, what, asked_at=asked_at, status=200, reservation_id=str(reservation_id)
        )

    async def _until_told(
        self, place: int, shopper: Shopper, ask: Callable[[Counter], Awaitable[T]]
    ) -> T | None:
        tries = 0
        while not self.closed:
            counter = self.counters[(place + tries) % len(self.counters)]
            tries += 1
            try:
                return await self._answered(shopper, ask(counter))
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
        return None

    async def _answered(self, shopper: Shopper, asked: Awaitable[T]) -> T | None:
        """The answer; None after so long that it counts as none, which the witness remembers."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await asked
        except TimeoutError:
            self.witness.unanswered.append(shopper.user_id)
            return None


class Bystanders:
    """Others who buy something else all the while: what goodput is measured by, and what meets the fault for certain."""

    def __init__(
        self, seed: int, counters: Sequence[Counter], sale_id: str, sku: str, witness: Witness
    ) -> None:
        self._seed, self._counters, self._witness = seed, counters, witness
        self._sale_id, self._sku = sale_id, sku
        self._number = 0
        self.served = 0

    async def buy(self, seconds: float, *, at_once: int, pause_seconds: float = 0.0) -> float:
        """Buys for `seconds`, `at_once` people at a time; how many a second were served."""
        loop = asyncio.get_running_loop()
        before, began = self.served, loop.time()
        await asyncio.gather(*(self._buy(began + seconds, pause_seconds) for _ in range(at_once)))
        return (self.served - before) / (loop.time() - began)

    async def offer(self, per_second: float, seconds: float) -> float:
        """Comes at a fixed rate for `seconds`, however long the answers take; how many a second were served in time."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), max(1, round(per_second * seconds))
        served = await asyncio.gather(*(self._come(began + place / per_second) for place in range(count)))
        return sum(served) * per_second / count

    async def _come(self, at: float) -> bool:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(at - loop.time())
        return await self.buy_one() and loop.time() - at <= GOOD_SECONDS_MAX

    async def _buy(self, until: float, pause_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            if not await self.buy_one():
                await asyncio.sleep(PAUSE_SECONDS)
            elif pause_seconds:
                await asyncio.sleep(pause_seconds)

    async def buy_one(self) -> bool:
        """Whether the next of them was served."""
        self._number += 1
        user_id = f"bystander-{self._seed}-{self._number}"
        admitted = Admitted(self._sale_id, user_id, new_id(), FIRST_PLACE + self._number)
        request = ReserveRequest(admitted, self._sku, 1, f"key-{self._number}")
        counter = self._counters[self._number % len(self._counters)]
        asked_at = self._witness.clock.seconds()
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                reserved = await counter.reserve(request)
        except TimeoutError:
            self._witness.unanswered.append(user_id)
            return False
        except (Unavailable, InProgress):
            return False
        self.served += 1
        self._witness.reserved(asked_at, reserved, request.idempotency_key)
        return True
