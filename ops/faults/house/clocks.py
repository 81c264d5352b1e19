"""C1: one process's clock is off by ninety seconds, or is set while it works. The sale follows the stores' time."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final

from kit.clock import SystemClock
from ops.faults.house.buyers import Buyer
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import nothing_left
from ops.faults.matrix import Found

OFF_SECONDS: Final = 90.0
OPENS_IN_SECONDS: Final = 4.0
# The views are a second old, the frontier steps every quarter, and shoppers here ask ten times a second.
OPEN_SECONDS_MAX: Final = 5.0


def _skew(shop: Shop, seconds: float) -> Path:
    """The file that says by how much; writing it again sets the clock."""
    file = shop.diary.path.with_suffix(".skew")
    file.write_text(str(seconds), encoding="utf-8")
    return file


async def _off(shop: Shop, name: str, seconds: float) -> int:
    """Starts a process anew with its clock off; its pid."""
    shop.house.kill(name)
    return await shop.house.again(name, skew_file=_skew(shop, seconds))


async def _opened_on_time(shop: Shop, seconds: float) -> Found:
    """A sale opens while the gateway believes that it is another minute."""
    pid = await _off(shop, "gateway", seconds)
    opens_at = SystemClock().now() + timedelta(seconds=OPENS_IN_SECONDS)
    shop.sale_id = await shop.announce(f"{shop.sale_id}-c", OPENS_IN_SECONDS)
    buyers = shop.newcomers(24)
    for buyer in buyers:
        await buyer.sign_in()
        await buyer.join()
    await asyncio.gather(*(buyer.come_in() for buyer in buyers))
    late = (SystemClock().now() - opens_at).total_seconds()
    if late > OPEN_SECONDS_MAX:
        shop.wrong.append(f"opened_late: {late:.1f} s")
    await _bought(shop, buyers)
    early_sold = """SELECT count(*) FROM flashsale.reservations r JOIN flashsale.sales s USING (sale_id)
        WHERE r.sale_id = :sale_id AND r.held_at < s.opens_at"""
    if await shop.count(early_sold):
        shop.wrong.append("sold_before_the_start")
    return await shop.found(
        f"the gateway (pid {pid}) was {seconds:+g} s off; the last was let in {late:.1f} s after the start",
        recovery_seconds=max(0.0, late),
    )


async def _bought(shop: Shop, buyers: list[Buyer]) -> float:
    goodput = await shop.wave(buyers)
    await shop.settle()
    await shop.let_in(6)
    await shop.sell_out()
    return goodput


async def gateway_ahead(shop: Shop) -> Found:
    return await _opened_on_time(shop, OFF_SECONDS)


async def gateway_behind(shop: Shop) -> Found:
    return await _opened_on_time(shop, -OFF_SECONDS)


async def gateway_set(shop: Shop) -> Found:
    """Its clock is set back and forth while it sells; who was let in may buy, and others are let in."""
    pid = await _off(shop, "gateway", 0.0)
    before = await shop.wave(shop.take(6))
    steps = [OFF_SECONDS, -OFF_SECONDS, 0.0]
    shop.dice.shuffle(steps)
    for seconds in steps:
        _skew(shop, seconds)
        await asyncio.sleep(shop.dice.uniform(0.1, 0.4))
        await shop.wave(shop.take(2))
        await shop.let_in(2)
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(
        f"the clock of the gateway (pid {pid}) was set to {steps}", goodput=(before, after)
    )


async def _worker_off(shop: Shop, seconds: float) -> Found:
    """Every bell seems to come from another minute."""
    pid = await _off(shop, "worker", seconds)
    before = await shop.wave(shop.take(6))
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    await shop.settle()
    took = await shop.until("rewards are paid", lambda: nothing_left(shop))
    return await shop.found(
        f"the worker (pid {pid}) was {seconds:+g} s off", recovery_seconds=took, goodput=(before, after)
    )


async def worker_ahead(shop: Shop) -> Found:
    return await _worker_off(shop, OFF_SECONDS)


async def worker_behind(shop: Shop) -> Found:
    return await _worker_off(shop, -OFF_SECONDS)


async def keepers_apart(shop: Shop) -> Found:
    """The keepers are three minutes apart; holds end by PostgreSQL's clock, and the frontier goes by Redis's."""
    before = await shop.wave(shop.take(6), then_pay=False)
    pids = [await _off(shop, "keeper-1", OFF_SECONDS)]
    shop.house.kill("keeper-2")
    file = _skew(shop, OFF_SECONDS).with_suffix(".behind")
    file.write_text(str(-OFF_SECONDS), encoding="utf-8")
    pids.append(await shop.house.again("keeper-2", skew_file=file))
    await shop.let_in(6)
    await asyncio.sleep(shop.dice.uniform(1.0, 2.0))
    ended = await shop.count(
        "SELECT count(*) FROM flashsale.reservations WHERE sale_id = :sale_id AND state = 'expired'"
    )
    if ended:
        shop.wrong.append(f"held_too_short: {ended} holds")
    for buyer in shop.buyers:
        shop.later(buyer.pay())
    await shop.settle()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(
        f"keepers (pids {pids}) were {OFF_SECONDS:+g} and {-OFF_SECONDS:+g} s off", goodput=(before, after)
    )


ROWS: Final = (
    house_row("C1.gateway_ahead", "a sale opens while the gateway's clock is 90 s ahead",
              "开场时网关时钟快 90 秒", gateway_ahead, shoppers=0),
    house_row("C1.gateway_behind", "a sale opens while the gateway's clock is 90 s behind",
              "开场时网关时钟慢 90 秒", gateway_behind, shoppers=0),
    house_row("C1.gateway_set", "the gateway's clock is set back and forth in mid-sale",
              "抢购中网关时钟被前后拨动", gateway_set),
    house_row("C1.worker_ahead", "the worker's clock is 90 s ahead of who rings", "worker 时钟快 90 秒", worker_ahead),
    house_row("C1.worker_behind", "the worker's clock is 90 s behind who rings", "worker 时钟慢 90 秒", worker_behind),
    house_row("C1.keepers_apart", "the two keepers' clocks are three minutes apart",
              "两个 keeper 的时钟相差三分钟", keepers_apart),
)  # fmt: skip
