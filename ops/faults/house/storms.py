"""X3: many times more requests than a gateway can bear, by the clock and not by its answers. It bends, and comes back.

The gateway of these rows is a narrow one, so that a storm of several times its knee fits on the machine beside it.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ops.faults.house.buyers import Buyer
from ops.faults.house.door import Answer
from ops.faults.house.shared import house_row
from ops.faults.house.shop import GOOD_SECONDS, Shop
from ops.faults.house.terms import SKU, Terms
from ops.faults.matrix import Found

NARROW: Final = {
    "OVERLOAD_LIMIT_START": "4",
    "OVERLOAD_LIMIT_MIN": "2",
    "OVERLOAD_LIMIT_MAX": "4",
    "OVERLOAD_WAITING_MAX": "16",
    "OVERLOAD_PATIENCE_SECONDS": "0.2",
    "FLASHSALE_BATCH_MAX": "1",
    "FLASHSALE_LANES": "1",
    "GATEWAY_RESERVATION_LIMITS": "user=100000/1s burst 100000",
}
UNITS: Final = 8_000
LIMIT: Final = 1_000
ASKERS: Final = 8
KNEE_SECONDS: Final = 0.8
STORM_SECONDS: Final = 1.5
TIMES: Final = (5.0, 10.0)
TRIES_MAX: Final = 4
OFFERED_PER_SECOND_MAX: Final = 1_500.0  # what this one process sends in time beside everything else
# Beside its own client on the same cores, and with every refused one back at once.
COLLAPSED_RATIO: Final = 0.1
RECOVERED_RATIO: Final = 0.95
RECOVERY_SECONDS_MAX: Final = 30.0


@dataclass(slots=True)
class Tally:
    """What came of the requests of one stretch of time."""

    good: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def served(self) -> int:
        """How many got what they wanted, late ones too."""
        return self.answers["201"]

    def note(self, answer: Answer, took_seconds: float) -> None:
        self.answers[str(answer.status)] += 1
        self.good += answer.status == 201 and took_seconds <= GOOD_SECONDS


async def _wish(buyer: Buyer) -> Answer:
    return await buyer.door.once(
        "POST",
        f"{buyer.path}/reservations",
        bearer=buyer.admission,
        body={"sku": SKU, "quantity": 1},
        Idempotency_Key=buyer.new_key(),
    )


async def _knee(askers: list[Buyer]) -> float:
    """Goodput, a second, of a handful who ask again as soon as they are answered."""
    tally, ends = Tally(), time.monotonic() + KNEE_SECONDS

    async def ask(buyer: Buyer) -> None:
        while time.monotonic() < ends:
            began = time.monotonic()
            tally.note(await _wish(buyer), time.monotonic() - began)

    await asyncio.gather(*(ask(buyer) for buyer in askers))
    return tally.good / KNEE_SECONDS


async def _storm(
    shop: Shop, askers: list[Buyer], per_second: float, *, at_once: bool, when_told: bool
) -> tuple[float, Tally]:
    """Requests by the clock, or all at one instant; who is refused comes again at once, or when it was told to.

    How many were served a second, and what came of every try.
    """
    tally, began = Tally(), time.monotonic()
    number = int(per_second * STORM_SECONDS)

    async def come(place: int) -> None:
        at = began if at_once else began + place / per_second
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        for _ in range(TRIES_MAX):
            asked_at = time.monotonic()
            answer = await _wish(askers[place % len(askers)])
            tally.note(answer, time.monotonic() - asked_at)
            if not answer.put_off:
                return
            await asyncio.sleep((answer.retry_after_seconds or 0.0) if when_told else 0.0)

    await asyncio.gather(*(come(place) for place in range(number)))
    return tally.served / (time.monotonic() - began), tally


async def _weathered(shop: Shop, *, at_once: bool, when_told: bool) -> Found:
    """The knee, the storm, and the knee again."""
    shop.house.kill("gateway")
    pid = await shop.house.again("gateway", NARROW)
    await shop.let_in(ASKERS)
    askers = shop.take()
    await _knee(askers)  # connections, plans and caches
    knee = await _knee(askers)
    wanted = knee * shop.dice.uniform(*TIMES)
    offered = min(wanted, OFFERED_PER_SECOND_MAX)
    served, tally = await _storm(shop, askers, offered, at_once=at_once, when_told=when_told)
    ended_at, after = time.monotonic(), 0.0
    while after < RECOVERED_RATIO * knee and time.monotonic() - ended_at < RECOVERY_SECONDS_MAX:
        after = max(after, await _knee(askers))
    took = time.monotonic() - ended_at - KNEE_SECONDS
    if after < RECOVERED_RATIO * knee:
        shop.wrong.append(f"never_recovered: {after:.0f}/s of {knee:.0f}/s")
    if not at_once and served < COLLAPSED_RATIO * knee:
        shop.wrong.append(f"collapsed: {served:.0f}/s of {knee:.0f}/s")
    refused = tally.answers["503"] + tally.answers["429"]
    unanswered = tally.answers["0"] + tally.answers["500"]
    if unanswered:
        shop.wrong.append(f"unanswered: {unanswered}")
    shown = (
        f"gateway (pid {pid}), knee {knee:.0f}/s: {offered / knee:.1f} times as much offered, "
        f"{tally.answers.total()} tries, {refused} refused, {served:.0f}/s served meanwhile"
    )
    return await shop.found(
        shown if refused else "",
        recovery_seconds=max(0.0, took),
        goodput=(knee, after),
        sells_out=False,
    )


async def at_the_start(shop: Shop) -> Found:
    """Whoever is refused asks again at once."""
    return await _weathered(shop, at_once=False, when_told=False)


async def when_told_to(shop: Shop) -> Found:
    """Everybody asks at one instant, and again exactly when they were told to."""
    return await _weathered(shop, at_once=True, when_told=True)


TERMS: Final = Terms(UNITS, LIMIT, hold_seconds=5)

ROWS: Final = (
    house_row("X3.at_the_start", "five to ten times what the gateway can bear, and the refused ask again at once",
              "五至十倍负载，被拒者立即重试", at_the_start, terms=TERMS, shoppers=0),
    house_row("X3.when_told_to", "everybody at one instant, and again exactly when Retry-After ends",
              "同一瞬间涌入，Retry-After 到期时同时重试", when_told_to, terms=TERMS, shoppers=0),
)  # fmt: skip
