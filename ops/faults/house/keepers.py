"""P3: keepers die, or wake up as leaders of yesterday. Another takes over, and the number of the old is refused."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import select, text

from ops.faults.house.house import KEEPERS
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.matrix import Found
from ops.keeper.fence import Fence, LeadershipLost, fenced_unit_of_work
from ops.models import Duty
from queueing.store import advance

TAKEN_OVER_SECONDS_MAX: Final = 10.0  # the design's promise; a silent session is ended after five
FRONTIER: Final = "frontier"


async def leaders(shop: Shop) -> dict[str, Fence]:
    """The latest leadership of every duty, by duty; `leader_of` says whose it is."""
    async with shop.stores.postgres.read() as session:
        rows = await session.execute(select(Duty.duty, Duty.fence))
        return {duty: Fence(duty, fence) for duty, fence in rows}


async def leader_of(shop: Shop, duty: str = FRONTIER) -> str:
    """The keeper that leads a duty."""
    async with shop.stores.postgres.read() as session:
        leader = await session.scalar(select(Duty.leader).where(Duty.duty == duty))
    return leader if leader in KEEPERS else KEEPERS[0]


async def duties_of(shop: Shop, keeper: str) -> set[str]:
    async with shop.stores.postgres.read() as session:
        return set(await session.scalars(select(Duty.duty).where(Duty.leader == keeper)))


async def taken_over(shop: Shop, duties: set[str], before: dict[str, Fence]) -> float:
    """Waits until each has a later leader; the seconds that took. Raises `Stuck`."""

    async def all_of_them() -> bool:
        now = await leaders(shop)
        return all(now[duty].number > before[duty].number for duty in duties)

    return await shop.until("another keeper leads", all_of_them)


async def _in_a_wave(shop: Shop, strike: Callable[[], None]) -> float:
    """Something happens at a seeded moment of a wave; when it did, on the monotonic clock."""
    wave = shop.beside(shop.wave(shop.take(6)))
    await asyncio.sleep(shop.dice.uniform(0.0, 0.15))
    strike()
    struck_at = time.monotonic()
    await wave
    return struck_at


async def _after(shop: Shop, before: float, injected: str, took: float) -> Found:
    """Newcomers are let in by the new leader, and the sale sells out."""
    if took > TAKEN_OVER_SECONDS_MAX:
        shop.wrong.append(f"taken_over_late: {took:.1f} s")
    await shop.let_in(6)
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(injected, recovery_seconds=took, goodput=(before, after))


async def leader_killed(shop: Shop) -> Found:
    before = await shop.wave(shop.take(6))
    known, keeper = await leaders(shop), await leader_of(shop)
    duties, pid = await duties_of(shop, keeper), shop.house.pid(keeper)
    struck_at = await _in_a_wave(shop, lambda: _killed(shop, keeper))
    await taken_over(shop, duties, known)
    took = time.monotonic() - struck_at
    now = await leaders(shop)
    fences = f"fence {known[FRONTIER].number} -> {now[FRONTIER].number}"
    return await _after(
        shop, before, f"{keeper} (pid {pid}) died leading {len(duties)} duties, {fences}", took
    )


def _killed(shop: Shop, *keepers: str) -> None:
    for keeper in keepers:
        shop.house.kill(keeper)


async def both_killed(shop: Shop) -> Found:
    """Nobody is left to take over: what is promised counts from when they take traffic again."""
    before = await shop.wave(shop.take(6))
    known, pids = await leaders(shop), [shop.house.pid(keeper) for keeper in KEEPERS]
    await _in_a_wave(shop, lambda: _killed(shop, *KEEPERS))
    await asyncio.gather(*(shop.house.again(keeper) for keeper in KEEPERS))
    took = await taken_over(shop, set(known), known)
    return await _after(shop, before, f"pids {pids} died; {len(known)} duties led anew", took)


async def leader_stopped_past_its_lease(shop: Shop) -> Found:
    """It stands still until another leads, and wakes up believing that it does."""
    before = await shop.wave(shop.take(6))
    known, keeper = await leaders(shop), await leader_of(shop)
    duties = await duties_of(shop, keeper)
    struck_at = await _in_a_wave(shop, lambda: _paused(shop, keeper))
    await taken_over(shop, duties, known)
    took = time.monotonic() - struck_at
    shop.house.resume(keeper)
    await shop.let_in(2)

    async def stood_down() -> bool:
        leads = await asyncio.to_thread(shop.house.metric, keeper, "floodgate_keeper_duty_leader{")
        return leads == 0.0

    await shop.until("the stale leader stands down", stood_down)
    now = await leaders(shop)
    fences = f"fence {known[FRONTIER].number} -> {now[FRONTIER].number}"
    return await _after(
        shop, before, f"{keeper} stood still for {took:.1f} s, {fences}, and stood down", took
    )


def _paused(shop: Shop, keeper: str) -> None:
    shop.house.pause(keeper)


async def killed_in_mid_relay(shop: Shop) -> Found:
    """The broker holds its breath, so that the relay dies between marking its events and committing that."""
    before = await shop.wave(shop.take(6))
    await shop.settle()
    known, keeper = await leaders(shop), await leader_of(shop, "outbox_relay")
    await shop.broker.client_pause(8_000, all=False)
    await shop.wave(shop.take(6))
    relaying = """SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        JOIN pg_stat_activity a USING (pid)
        WHERE c.relname = 'outbox' AND l.mode = 'RowExclusiveLock' AND a.state = 'idle in transaction'"""

    async def in_mid_relay() -> bool:
        return await shop.count(relaying) > 0

    try:
        await shop.until("the relay is between mark and commit", in_mid_relay, seconds_max=6.0)
        pid = shop.house.kill(keeper)
    finally:
        await shop.broker.client_unpause()
    took = await taken_over(shop, {"outbox_relay"}, known)
    return await _after(
        shop, before, f"{keeper} (pid {pid}) died with events marked and nothing committed", took
    )


async def _stale_leader(shop: Shop, *, guarded: bool) -> Found:
    """A leader dies; one who still carries its number tries to write in Redis and in PostgreSQL."""
    before = await shop.wave(shop.take(6))
    known, keeper = await leaders(shop), await leader_of(shop)
    duties = await duties_of(shop, keeper)
    await _in_a_wave(shop, lambda: _killed(shop, keeper))
    took = await taken_over(shop, duties, known)
    duty = shop.dice.choice(sorted(duties - {FRONTIER}) or [FRONTIER])
    # Without the guard the number is not looked at, as if every leader were the newest.
    now = known if guarded else await leaders(shop)
    step = (await advance(shop.stores.redis.queue, [shop.sale_id], now[FRONTIER].number))[shop.sale_id]
    if step.outcome != "fenced":
        shop.wrong.append(f"stale_leader_moved_frontier: {step.outcome}")
    with suppress(LeadershipLost):
        async with fenced_unit_of_work(shop.stores.postgres, now[duty]) as session:
            await session.execute(text("SELECT 1"))
        shop.wrong.append(f"stale_leader_committed: {duty}")
    refused = f"the number of {keeper} was used after its successor's: frontier {step.outcome}, {duty} asked"
    return await _after(shop, before, refused, took)


async def stale_leader_refused(shop: Shop) -> Found:
    return await _stale_leader(shop, guarded=True)


async def stale_leader_unguarded(shop: Shop) -> Found:
    return await _stale_leader(shop, guarded=False)


ROWS: Final = (
    house_row("P3.leader_killed", "the leading keeper dies in a wave of reservations", "主 keeper 在抢购中被杀", leader_killed),
    house_row("P3.both_killed", "both keepers die and start again", "两个 keeper 同时被杀后重启", both_killed),
    house_row("P3.killed_in_mid_relay", "the keeper dies between marking outbox events and committing that",
              "keeper 在转发 outbox 途中被杀", killed_in_mid_relay),
    house_row("P3.leader_stopped", "the leading keeper stands still past its lease and wakes up",
              "主 keeper 停顿超过租约后恢复", leader_stopped_past_its_lease),
    house_row("P3.stale_leader", "a leader of yesterday writes with its old number", "旧主用过期的围栏号写入",
              stale_leader_refused, control=stale_leader_unguarded),
)  # fmt: skip
