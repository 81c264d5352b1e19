"""P4: processes are told to end at the peak. Nobody is dropped: who cannot be served is told so, by 503."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ops.faults.house.house import GATEWAYS
from ops.faults.house.keepers import (
    FRONTIER,
    TAKEN_OVER_SECONDS_MAX,
    duties_of,
    leader_of,
    leaders,
    taken_over,
)
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import nothing_left
from ops.faults.matrix import Found

# Draining (1 s), what was begun (10 s), and the stores: less than an orchestrator's grace of 30 s.
ENDED_SECONDS_MAX: Final = 18.0
LOOKERS_PER_SECOND: Final = 50.0


@asynccontextmanager
async def two_gateways(shop: Shop) -> AsyncIterator[None]:
    """Requests go to both inside, and to no one who is not ready; the row has asked for the second."""
    shop.door.open = list(GATEWAYS)
    watching = shop.beside(shop.door.watch(*GATEWAYS))
    try:
        await shop.until("both show the sale", lambda: _both_show(shop))
        yield
    finally:
        watching.cancel()


async def _both_show(shop: Shop) -> bool:
    path = f"/v1/sales/{shop.sale_id}/queue"
    answers = [await shop.door.once("GET", path, at=name) for name in GATEWAYS]
    return all(answer.ok for answer in answers)


@asynccontextmanager
async def looked_at(shop: Shop) -> AsyncIterator[None]:
    """People look at the sale all the while, by the clock."""

    async def look() -> None:
        async with asyncio.TaskGroup() as lookers:
            while True:
                lookers.create_task(shop.door.once("GET", f"/v1/sales/{shop.sale_id}/queue"))
                await asyncio.sleep(1 / LOOKERS_PER_SECOND)

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def dropped(shop: Shop, known: dict[str, int]) -> dict[str, int]:
    """Requests since `known` that got no answer, or one that is neither of the contract nor an explicit 503."""
    now = shop.door.answers
    return {
        status: now[status] - known.get(status, 0)
        for status in now
        if now[status] > known.get(status, 0) and not _is_explicit(status)
    }


def _is_explicit(status: str) -> bool:
    return status == "503" or status[:1] in {"2", "4"}


async def _told(shop: Shop, name: str) -> str:
    """Tells one to end and waits until it has; what shows that."""
    told_at, pid = time.monotonic(), shop.house.tell_to_end(name)
    code = await shop.house.ended(name)
    took = time.monotonic() - told_at
    if code != 0 or took > ENDED_SECONDS_MAX:
        shop.wrong.append(f"ended_badly: {name} {code} {took:.1f} s")
    return f"{name} (pid {pid}) ended with {code} in {took:.1f} s"


async def gateway_told(shop: Shop) -> Found:
    async with two_gateways(shop), looked_at(shop):
        before = await shop.wave(shop.take(6))
        known = dict(shop.door.answers)
        wave = shop.beside(shop.wave(shop.take(8)))
        await asyncio.sleep(shop.dice.uniform(0.0, 0.2))
        shown = await _told(shop, "gateway")
        await wave
        after = await shop.wave(shop.take(4))
        await shop.sell_out()
        lost = dropped(shop, known)
    if lost:
        shop.wrong.append(f"dropped: {lost}")
    await shop.house.again("gateway")  # the provider's notices go to this one
    asked = sum(shop.door.answers.values()) - sum(known.values())
    return await shop.found(f"{shown}; {asked} requests meanwhile", goodput=(before, after))


async def worker_told(shop: Shop) -> Found:
    before = await shop.wave(shop.take(6))
    wave = shop.beside(shop.wave(shop.take(6)))
    await asyncio.sleep(shop.dice.uniform(0.2, 0.6))
    shown = await _told(shop, "worker")
    await wave
    await shop.settle()
    await shop.house.again("worker")
    began = time.monotonic()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    await shop.settle()
    await shop.until("nothing is left to do", lambda: nothing_left(shop))
    return await shop.found(shown, recovery_seconds=time.monotonic() - began, goodput=(before, after))


async def keeper_told(shop: Shop) -> Found:
    before = await shop.wave(shop.take(6))
    known, keeper = await leaders(shop), await leader_of(shop)
    duties = await duties_of(shop, keeper)
    wave = shop.beside(shop.wave(shop.take(6)))
    await asyncio.sleep(shop.dice.uniform(0.0, 0.2))
    told_at = time.monotonic()
    shop.house.tell_to_end(keeper)
    await taken_over(shop, duties, known)
    took = time.monotonic() - told_at
    if took > TAKEN_OVER_SECONDS_MAX:
        shop.wrong.append(f"taken_over_late: {took:.1f} s")
    code = await shop.house.ended(keeper)
    if code != 0:
        shop.wrong.append(f"ended_badly: {keeper} {code}")
    await wave
    await shop.let_in(6)
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    shown = f"{keeper} ended with {code}, fence {known[FRONTIER].number} -> {(await leaders(shop))[FRONTIER].number}"
    return await shop.found(shown, recovery_seconds=took, goodput=(before, after))


ROWS: Final = (
    house_row("P4.gateway_told_to_end", "a gateway is told to end at the peak, another stays",
              "高峰时一个网关收到 SIGTERM", gateway_told, "gateway-2"),
    house_row("P4.worker_told_to_end", "the worker is told to end with rewards under way",
              "发奖途中 worker 收到 SIGTERM", worker_told),
    house_row("P4.keeper_told_to_end", "the leading keeper is told to end at the peak",
              "高峰时主 keeper 收到 SIGTERM", keeper_told),
)  # fmt: skip
