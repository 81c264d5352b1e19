"""B1, B4: the broker repeats, and forgets. The rows are the truth, and its messages only doorbells."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from dramatiq import Message
from sqlalchemy import text

from kit.broker import create_broker
from ops.faults.house import keys
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import EVENTS_OPEN, is_some, nothing_left
from ops.faults.matrix import Found

COPIES: Final = 10
WORKERS: Final = ("worker", "worker-2")
# An event is rung again after fifteen seconds, a payout after ten, one after the other in the worst case.
FLUSHED_SECONDS_MAX: Final = 40.0

EVENTS: Final = "SELECT event_id FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id"
PAYOUTS: Final = """
    SELECT o.payout_id FROM rewards.payouts o JOIN rewards.grants g USING (grant_id) WHERE g.sale_id = :sale_id"""


async def _ids(shop: Shop, statement: str) -> list[str]:
    async with shop.stores.postgres.read() as session:
        return [str(found) for found in await session.scalars(text(statement), {"sale_id": shop.sale_id})]


def _send(url: str, messages: Sequence[Message[Any]]) -> None:
    broker = create_broker(url)
    for message in messages:
        broker.enqueue(message)
    broker.close()


async def ring_copies(shop: Shop, copies: int, *, sent_at_ms: int | None = None) -> int:
    """Rings so often for every event and payout of the sale, in a seeded order; how often in all."""
    rings: list[Message[Any]] = [
        Message(queue_name=queue, actor_name=actor, args=(), kwargs={name: found}, options={})
        for statement, queue, actor, name in (
            (EVENTS, "rewards", "grant_rewards", "event_id"),
            (PAYOUTS, "payouts", "pay_reward", "payout_id"),
        )
        for found in await _ids(shop, statement)
        for _ in range(copies)
    ]
    if sent_at_ms is not None:
        rings = [replace(ring, message_timestamp=sent_at_ms) for ring in rings]
    shop.dice.shuffle(rings)
    await asyncio.to_thread(_send, shop.house.urls.redis_broker, rings)
    return len(rings)


async def _runs(shop: Shop) -> list[float]:
    """How many runs of actors each worker has counted."""
    sample = "floodgate_actor_runs_total{"
    return [await asyncio.to_thread(shop.house.metric, worker, sample) for worker in WORKERS]


async def rung_ten_times(shop: Shop) -> Found:
    """Two workers, and ten bells for everything while it is being done."""
    before = await shop.wave(shop.take(6))
    ran, rung = await _runs(shop), 0
    after = await shop.wave(shop.take(10))
    for _ in range(3):
        rung += await ring_copies(shop, COPIES)
        await asyncio.sleep(shop.dice.uniform(0.0, 0.3))
    await shop.sell_out()
    took = await shop.until("nothing is left to do", lambda: nothing_left(shop))
    rung += await ring_copies(shop, COPIES)
    await shop.until("every bell was heard", lambda: is_quiet(shop))
    each = [int(now - then) for then, now in zip(ran, await _runs(shop), strict=True)]
    proof = f"{rung} bells, {each} runs on two workers" if min(each) > 0 and sum(each) >= rung // 2 else ""
    return await shop.found(proof, recovery_seconds=took, goodput=(before, after))


async def is_quiet(shop: Shop) -> bool:
    """Whether no message is waiting or under way."""
    return not any([await shop.broker.hlen(keys.messages(queue)) for queue in keys.QUEUES])


async def told_ten_times(shop: Shop) -> Found:
    """Every notice of the provider arrives in ten copies."""
    heard = await asyncio.to_thread(shop.house.metric, "gateway", "floodgate_payment_notices_total{")
    before = await shop.wave(shop.take(6), then_pay=False)
    for buyer in shop.buyers:
        shop.later(buyer.pay(copies=COPIES))
    await shop.settle()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    paid = sum(bool(buyer.held) for buyer in shop.buyers)

    async def copies_heard() -> bool:
        now = await asyncio.to_thread(shop.house.metric, "gateway", "floodgate_payment_notices_total{")
        return now - heard >= 6 * COPIES

    await shop.until("the copies have arrived", copies_heard)
    now = await asyncio.to_thread(shop.house.metric, "gateway", "floodgate_payment_notices_total{")
    return await shop.found(f"{int(now - heard)} notices of {paid} payments", goodput=(before, after))


async def flushed(shop: Shop) -> Found:
    """Everything in the broker is gone while rewards are under way."""
    before = await shop.wave(shop.take(6))
    shop.house.pause("worker")
    after = await shop.wave(shop.take(6))
    await shop.settle()
    await shop.until("bells are in the broker", lambda: _holds_bells(shop))
    await asyncio.sleep(shop.dice.uniform(0.0, 0.3))
    lost = sum([await shop.broker.hlen(keys.messages(queue)) for queue in keys.QUEUES])
    await shop.broker.flushall()
    shop.house.resume("worker")
    began = time.monotonic()
    await shop.sell_out()
    await shop.until("what was lost is rung again", lambda: nothing_left(shop))
    took = time.monotonic() - began
    if took > FLUSHED_SECONDS_MAX:
        shop.wrong.append(f"rung_again_late: {took:.1f} s")
    return await shop.found(
        f"{lost} messages lost with the broker", recovery_seconds=took, goodput=(before, after)
    )


async def _holds_bells(shop: Shop) -> bool:
    return await is_some(shop, EVENTS_OPEN) and not await is_quiet(shop)


ROWS: Final = (
    house_row("B1.rung_ten_times", "every message is delivered ten times, to two workers",
              "每条消息投递十次，由两个 worker 并发处理", rung_ten_times, "worker-2"),
    house_row("B1.told_ten_times", "every notice of the provider arrives ten times",
              "渠道的每条通知到达十次", told_ten_times),
    house_row("B4.flushed", "the broker loses everything in mid-sale", "抢购中消息队列被清空", flushed),
)  # fmt: skip
