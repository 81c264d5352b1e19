"""P5: processes stand still and go on as if nothing had been (SIGSTOP: a stalled loop, a collector, a frozen machine)."""

import asyncio
import time
from typing import Final

from ops.faults.house.endings import two_gateways
from ops.faults.house.keepers import duties_of, leader_of, leaders
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import WAITING_FOR_A_LOCK, is_some, locked, messages_in_hand, nothing_left
from ops.faults.matrix import Found

STALL_SECONDS: Final = 5.0
SHORT_STALL_SECONDS: Final = (1.0, 2.5)  # well within the lease of five


async def gateway_stalled(shop: Shop) -> Found:
    """One of two stands still with requests in hand; its shoppers ask again, perhaps at the other."""
    async with two_gateways(shop):
        before = await shop.wave(shop.take(6))
        wave = shop.beside(shop.wave(shop.take(8)))
        await asyncio.sleep(shop.dice.uniform(0.0, 0.2))
        pid = shop.house.pause("gateway")
        await asyncio.sleep(STALL_SECONDS)
        shop.house.resume("gateway")
        began = time.monotonic()
        await shop.until("the gateway takes traffic", lambda: asyncio.to_thread(shop.house.ready, "gateway"))
        took = time.monotonic() - began
        await wave
        after = await shop.wave(shop.take(4))
        await shop.sell_out()
    unanswered = shop.door.answers["TimeoutError"]
    shown = f"pid {pid} stood still for {STALL_SECONDS:g} s at the peak, {unanswered} requests unanswered"
    return await shop.found(shown, recovery_seconds=took, goodput=(before, after))


async def only_gateway_stalled(shop: Shop) -> Found:
    """There is no other: who asks meanwhile waits, and is answered afterwards."""
    before = await shop.wave(shop.take(6))
    stall = STALL_SECONDS * shop.dice.uniform(0.5, 1.0)
    wave = shop.beside(shop.wave(shop.take(6)))
    await asyncio.sleep(shop.dice.uniform(0.0, 0.1))
    pid = shop.house.pause("gateway")
    await asyncio.sleep(stall)
    shop.house.resume("gateway")
    began = time.monotonic()
    await wave
    took = time.monotonic() - began
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(
        f"pid {pid}, the only one, stood still for {stall:.1f} s",
        recovery_seconds=took,
        goodput=(before, after),
    )


async def worker_stalled(shop: Shop) -> Found:
    """It stands still with an event in hand until another has done it, and goes on with what is done."""
    before = await shop.wave(shop.take(6))
    await shop.settle()
    await shop.until("nothing is left to do", lambda: nothing_left(shop))
    shop.house.pause("worker-2")
    async with locked(shop, "SELECT 1 FROM rewards.rules WHERE sale_id = :sale_id FOR UPDATE"):
        await shop.wave(shop.take(6))
        await shop.settle()
        await shop.until(
            "the worker waits", lambda: is_some(shop, WAITING_FOR_A_LOCK, asked="%rewards.rules%")
        )
        pid = shop.house.pause("worker")
        in_hand = await messages_in_hand(shop, "rewards")
        shop.house.resume("worker-2")
    began = time.monotonic()
    await shop.until("the other has done it all", lambda: nothing_left(shop))
    took = time.monotonic() - began
    shop.house.resume("worker")
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    shown = (
        f"pid {pid} stood still with {in_hand} messages in hand for {took:.1f} s, until another had done them"
    )
    return await shop.found(shown, recovery_seconds=took, goodput=(before, after))


async def keeper_stalled(shop: Shop) -> Found:
    """Shorter than the lease: it leads on."""
    before = await shop.wave(shop.take(6))
    known, keeper = await leaders(shop), await leader_of(shop)
    duties = await duties_of(shop, keeper)
    stall = shop.dice.uniform(*SHORT_STALL_SECONDS)
    pid = shop.house.pause(keeper)
    wave = shop.beside(shop.wave(shop.take(6)))
    await asyncio.sleep(stall)
    shop.house.resume(keeper)
    await wave
    began = time.monotonic()
    await shop.let_in(6)
    took = time.monotonic() - began
    now = await leaders(shop)
    lost = sorted(duty for duty in duties if now[duty].number != known[duty].number)
    if lost:
        shop.wrong.append(f"led_no_longer: {lost}")
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(
        f"{keeper} (pid {pid}) stood still for {stall:.1f} s and led on",
        recovery_seconds=took,
        goodput=(before, after),
    )


ROWS: Final = (
    house_row("P5.gateway_stalled", "one of two gateways stands still for five seconds at the peak",
              "高峰时两个网关之一停顿五秒", gateway_stalled, "gateway-2"),
    house_row("P5.only_gateway_stalled", "the only gateway stands still at the peak", "高峰时唯一的网关停顿", only_gateway_stalled),
    house_row("P5.worker_stalled", "a worker stands still until another has done its work, and goes on",
              "worker 停顿，工作由另一个完成后它又恢复", worker_stalled, "worker-2"),
    house_row("P5.keeper_stalled", "the leading keeper stands still for less than its lease",
              "主 keeper 停顿短于租约", keeper_stalled),
)  # fmt: skip
