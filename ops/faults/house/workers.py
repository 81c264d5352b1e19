"""P2: a worker is killed between two steps of its work. What it had begun is done by its successor, once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text

from ops.faults.house import keys
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.matrix import Found

# Five seconds until a dead worker's messages are given to another, and a poll that looks for them.
REDELIVERED_SECONDS_MAX: Final = 15.0

EVENTS_RUNG: Final = """
    SELECT count(*) FROM flashsale.outbox
    WHERE payload ->> 'sale_id' = :sale_id AND relayed_at IS NOT NULL AND done_at IS NULL"""
EVENTS_OPEN: Final = """
    SELECT count(*) FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id AND done_at IS NULL"""
EVENTS_DONE: Final = """
    SELECT count(*) FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id AND done_at IS NOT NULL"""
PAYOUTS_DUE: Final = """
    SELECT count(*) FROM rewards.payouts o JOIN rewards.grants g USING (grant_id)
    WHERE g.sale_id = :sale_id AND o.state = 'due'"""
ATTEMPTS_UNKNOWN: Final = """
    SELECT count(*) FROM rewards.attempts a JOIN rewards.payouts o USING (payout_id)
    JOIN rewards.grants g USING (grant_id) WHERE g.sale_id = :sale_id AND a.outcome = 'unknown'"""
WAITING_FOR_A_LOCK: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE :asked"""


async def sold_before(shop: Shop, number: int = 6) -> float:
    """A first wave that goes through undisturbed; its goodput."""
    goodput = await shop.wave(shop.take(number))
    await shop.settle()
    return goodput


async def at_rest(shop: Shop) -> None:
    """Waits until nothing of the sale is left to do for a worker."""

    await shop.until("the workers have done it all", lambda: nothing_left(shop))


async def nothing_left(shop: Shop) -> bool:
    """Whether every event of the sale had its effect and every payout has ended."""
    return await shop.count(EVENTS_OPEN) + await shop.count(PAYOUTS_DUE) == 0


@asynccontextmanager
async def locked(shop: Shop, statement: str) -> AsyncIterator[None]:
    """Rows that nobody else gets at inside."""
    async with shop.stores.postgres.unit_of_work() as session:
        await session.execute(text(statement), {"sale_id": shop.sale_id})
        yield


async def messages_in_hand(shop: Shop, queue: str) -> int:
    """What workers have fetched and not acknowledged."""
    broker, found = shop.broker, 0
    async for key in broker.scan_iter(match=keys.in_hand(queue), count=1000):
        found += await broker.scard(key)
    return found


async def _events_rung(shop: Shop) -> float:
    """A wave is sold while the worker stands still, and its events are rung; the goodput before."""
    before = await sold_before(shop)
    await at_rest(shop)
    shop.house.pause("worker")
    await shop.wave(shop.take(6))
    await shop.settle()
    await shop.until("events are rung", lambda: is_some(shop, EVENTS_RUNG))
    return before


async def _killed_in_a_lock(shop: Shop, lock: str, asked: str, what: str) -> Found:
    """The worker takes an event and waits for `lock`; there it dies."""
    before = await _events_rung(shop)
    async with locked(shop, lock):
        shop.house.resume("worker")
        await shop.until("the worker waits", lambda: is_some(shop, WAITING_FOR_A_LOCK, asked=asked))
        await asyncio.sleep(shop.dice.uniform(0.0, 0.2))
        fetched = await messages_in_hand(shop, "rewards")
        done = await shop.count(EVENTS_DONE)
        pid = shop.house.kill("worker")
    return await _after_the_kill(
        shop, before, f"{what}: pid {pid} died with {fetched} messages fetched, {done} events done"
    )


async def is_some(shop: Shop, statement: str, **parameters: str) -> bool:
    return await shop.count(statement, **parameters) > 0


async def _after_the_kill(shop: Shop, before: float, injected: str) -> Found:
    """The successor starts; everything is done within the bound, and the sale sells out."""
    killed_at = time.monotonic()
    pid = await shop.house.again("worker")
    back_at = time.monotonic()
    await at_rest(shop)
    took = time.monotonic() - back_at
    if took > REDELIVERED_SECONDS_MAX:
        shop.wrong.append(f"redelivered_late: {took:.1f} s")
    recovery = time.monotonic() - killed_at
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(f"{injected}; pid {pid} came", recovery_seconds=recovery, goodput=(before, after))


async def after_fetch(shop: Shop) -> Found:
    lock = (
        "SELECT 1 FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id AND done_at IS NULL FOR UPDATE"
    )
    return await _killed_in_a_lock(shop, lock, "%flashsale.outbox%", "fetched, nothing opened")


async def after_claim(shop: Shop) -> Found:
    lock = "SELECT 1 FROM rewards.rules WHERE sale_id = :sale_id FOR UPDATE"
    return await _killed_in_a_lock(shop, lock, "%rewards.rules%", "event opened, nothing granted")


async def after_the_providers_call(shop: Shop) -> Found:
    """The provider has paid and says nothing; the worker dies while it waits."""
    before = await sold_before(shop)
    await at_rest(shop)
    await shop.misbehave(payout_silent_ratio=1.0)
    known = len(await shop.stores.book.entries())
    await shop.wave(shop.take(6))
    await shop.settle()

    async def paid_unheard() -> bool:
        entries = (await shop.stores.book.entries())[known:]
        return any(entry.kind == "payout" for entry in entries) and await is_some(shop, ATTEMPTS_UNKNOWN)

    await shop.until("the provider has paid", paid_unheard)
    await asyncio.sleep(shop.dice.uniform(0.0, 0.5))
    unknown = await shop.count(ATTEMPTS_UNKNOWN)
    pid = shop.house.kill("worker")
    await shop.misbehave()
    return await _after_the_kill(
        shop, before, f"pid {pid} died waiting for the answers to {unknown} attempts"
    )


async def after_record_before_ack(shop: Shop) -> Found:
    """The work is committed, and the broker is not told of it: the same message comes again."""
    before = await _events_rung(shop)
    done = await shop.count(EVENTS_DONE)
    async with locked(shop, "SELECT 1 FROM rewards.rules WHERE sale_id = :sale_id FOR UPDATE"):
        shop.house.resume("worker")
        asked = "%rewards.rules%"
        await shop.until("the worker waits", lambda: is_some(shop, WAITING_FOR_A_LOCK, asked=asked))
        await shop.broker.client_pause(5_000, all=False)  # reads go on, acknowledgements wait
    await shop.until("events are done", lambda: _more_than(shop, EVENTS_DONE, done))
    await asyncio.sleep(shop.dice.uniform(0.0, 0.1))
    recorded = await shop.count(EVENTS_DONE) - done
    pid = shop.house.kill("worker")
    await shop.broker.client_unpause()
    unacked = await messages_in_hand(shop, "rewards")
    if not unacked:
        return Found("")
    injected = f"pid {pid} died after recording {recorded} events, {unacked} messages not acknowledged"
    return await _after_the_kill(shop, before, injected)


async def _more_than(shop: Shop, statement: str, number: int) -> bool:
    return await shop.count(statement) > number


ROWS: Final = (
    house_row("P2.killed_after_fetch", "a worker dies with messages fetched and nothing begun",
              "worker 取到消息、尚未开始时被杀", after_fetch),
    house_row("P2.killed_after_claim", "a worker dies with an event opened and nothing granted",
              "worker 已锁定事件、尚未发放时被杀", after_claim),
    house_row("P2.killed_after_providers_call", "a worker dies after the provider has paid and before it hears so",
              "渠道已付款、worker 未收到回复时被杀", after_the_providers_call),
    house_row("P2.killed_after_record", "a worker dies after its commit and before the acknowledgement",
              "worker 已提交、尚未确认消息时被杀", after_record_before_ack),
)  # fmt: skip
