"""B: the broker repeats, garbles, delays and forgets. The rows are the truth, and its messages only doorbells."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from dramatiq import Message
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from kit.broker import create_broker
from kit.clock import SystemClock, rfc3339
from ops.faults.house import keys
from ops.faults.house.shared import in_the_house
from ops.faults.house.shop import Shop
from ops.faults.house.workers import EVENTS_OPEN, is_some, nothing_left
from ops.faults.matrix import FaultRow, Found

COPIES: Final = 10
DAY_MS: Final = 86_400_000
HUGE_CHARACTERS: Final = 1_000_000
UNREADABLE: Final = (b"{not json", b"", b"\xff\xfe\x00", b"[]", b'{"queue_name": "rewards"}')
WORKERS: Final = ("worker", "worker-2")
# An event is rung again after fifteen seconds, a payout after ten, one after the other in the worst case.
FLUSHED_SECONDS_MAX: Final = 40.0
POISON_SECONDS_MAX: Final = 12.0

EVENTS: Final = "SELECT event_id FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id"
PAYOUTS: Final = """
    SELECT o.payout_id FROM rewards.payouts o JOIN rewards.grants g USING (grant_id) WHERE g.sale_id = :sale_id"""
# What a replay must not move: how far everything of the sale is.
STANDS: Final = """
    SELECT (SELECT string_agg(reservation_id::text || state, ',' ORDER BY reservation_id)
            FROM flashsale.reservations WHERE sale_id = :sale_id),
           (SELECT string_agg(grant_id::text || g.state || attempts, ',' ORDER BY grant_id)
            FROM rewards.grants g JOIN rewards.payouts USING (grant_id) WHERE sale_id = :sale_id)"""


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
    if not shop.house.lives("worker-2"):
        await shop.house.again("worker-2")
    before = await shop.wave(shop.take(6))
    ran, rung = await _runs(shop), 0
    after = await shop.wave(shop.take(10))
    for _ in range(3):
        rung += await ring_copies(shop, COPIES)
        await asyncio.sleep(shop.dice.uniform(0.0, 0.3))
    await shop.sell_out()
    took = await shop.until("nothing is left to do", lambda: nothing_left(shop))
    rung += await ring_copies(shop, COPIES)
    await shop.until("every bell was heard", lambda: _is_quiet(shop))
    each = [int(now - then) for then, now in zip(ran, await _runs(shop), strict=True)]
    proof = f"{rung} bells, {each} runs on two workers" if min(each) > 0 and sum(each) >= rung // 2 else ""
    return await shop.found(proof, recovery_seconds=took, goodput=(before, after))


async def _is_quiet(shop: Shop) -> bool:
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


def _poison(shop: Shop, mark: str) -> list[tuple[str, bytes]]:
    """Messages that no actor can make anything of, each with the id under which the broker keeps it."""
    good: Message[Any] = Message(
        queue_name="rewards", actor_name="grant_rewards", args=(), kwargs={}, options={}
    )
    fields = msgspec.json.decode(good.encode())
    odd: list[dict[str, Any]] = [
        {"actor_name": "no_such_actor"},
        {"kwargs": {"event_id": "not an id"}},
        {"kwargs": {"event_id": "x" * HUGE_CHARACTERS}},
        {"kwargs": {"unheard_of": 1}},
        {"args": ["one", "too", "many"]},
    ]
    poison = [
        (kept_as, msgspec.json.encode(fields | {"options": {"redis_message_id": kept_as}} | change))
        for change in odd
        for kept_as in [f"{mark}-{shop.dice.getrandbits(32):x}"]
    ]
    poison += [(f"{mark}-{shop.dice.getrandbits(32):x}", unreadable) for unreadable in UNREADABLE]
    shop.dice.shuffle(poison)
    return poison


async def poisoned(shop: Shop) -> Found:
    """What cannot be read or done lies before and between the bells of real rewards."""
    before = await shop.wave(shop.take(6))
    await shop.settle()
    shop.house.pause("worker")
    mark = f"{shop.dice.getrandbits(64):x}"
    poison = _poison(shop, mark)
    for kept_as, message in poison:
        queue = shop.dice.choice(keys.QUEUES)
        await shop.broker.hset(keys.messages(queue), kept_as, message)
        await shop.broker.rpush(keys.waiting(queue), kept_as)
    await shop.wave(shop.take(6))
    await shop.settle()
    shop.house.resume("worker")
    took = await shop.until("real rewards are paid", lambda: nothing_left(shop))
    if took > POISON_SECONDS_MAX:
        shop.wrong.append(f"poison_held_others_up: {took:.1f} s")

    async def put_aside() -> bool:
        left = [await shop.broker.hkeys(keys.messages(queue)) for queue in keys.QUEUES]
        return not any(mark in str(kept_as) for held in left for kept_as in held)

    await shop.until("the poison is put aside", put_aside)
    pid = shop.house.pid("worker")
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    injected = f"{len(poison)} messages nobody can read or do; pid {pid} put them all aside"
    return await shop.found(injected, recovery_seconds=took, goodput=(before, after))


async def late_and_again(shop: Shop) -> Found:
    """What was told once is told again, days late and in another order; nothing goes backwards."""
    before = await shop.wave(shop.take(10))
    await shop.sell_out()
    await shop.settle()
    await shop.until("nothing is left to do", lambda: nothing_left(shop))
    stood = await _stands(shop)
    ancient = int(SystemClock().seconds() * 1000) - shop.dice.randrange(1, 10) * DAY_MS
    rung = await ring_copies(shop, 2) + await ring_copies(shop, 1, sent_at_ms=ancient)
    told = await _old_notices(shop)
    await shop.until("every bell was heard", lambda: _is_quiet(shop))
    if await _stands(shop) != stood:
        shop.wrong.append("went_backwards: what had ended was changed by a replay")
    return await shop.found(f"{rung} bells and {told} notices of yesterday", goodput=(before, before))


async def _stands(shop: Shop) -> tuple[Any, ...]:
    async with shop.stores.postgres.read() as session:
        return tuple((await session.execute(text(STANDS), {"sale_id": shop.sale_id})).one())


async def _old_notices(shop: Shop) -> int:
    """Refusals that come after the money, and successes told again, signed as the provider signs; how many."""
    clock = SystemClock()
    hook = Webhook(shop.house.environment["PROVIDER_WEBHOOK_SECRET"])
    async with shop.stores.postgres.read() as session:
        paid = (
            await session.execute(
                text("""
                SELECT p.payment_id, p.amount_minor, p.currency FROM flashsale.payments p
                JOIN flashsale.reservations r USING (reservation_id)
                WHERE r.sale_id = :sale_id AND r.state = 'confirmed'"""),
                {"sale_id": shop.sale_id},
            )
        ).all()
    notices = [(kind, row) for row in paid for kind in ("payment.refused", "payment.succeeded")]
    shop.dice.shuffle(notices)
    for number, (kind, row) in enumerate(notices):
        body = {
            "event_id": f"late-{shop.sale_id}-{number}",
            "type": kind,
            "payment_id": str(row.payment_id),
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "occurred_at": rfc3339(clock.now()),
        }
        raw, now = msgspec.json.encode(body), clock.now()
        answer = await shop.door.send(
            "POST",
            "/v1/webhooks/payments",
            body=raw,
            webhook_id=body["event_id"],
            webhook_timestamp=str(int(now.timestamp())),
            webhook_signature=hook.sign(str(body["event_id"]), now, raw.decode()),
        )
        if not answer.ok:
            shop.wrong.append(f"late_notice_refused: {answer.status} {answer.code}")
    return len(notices)


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
    return await is_some(shop, EVENTS_OPEN) and not await _is_quiet(shop)


def _row(row_id: str, what: str, what_zh: str, course: Callable[[Shop], Awaitable[Found]]) -> FaultRow:
    return FaultRow(row_id, what, what_zh, "house", in_the_house(course))


ROWS: Final = (
    _row("B1.rung_ten_times", "every message is delivered ten times, to two workers",
         "每条消息投递十次，由两个 worker 并发处理", rung_ten_times),
    _row("B1.told_ten_times", "every notice of the provider arrives ten times",
         "渠道的每条通知到达十次", told_ten_times),
    _row("B2.poisoned", "messages nobody can read or do lie among the real ones",
         "消息队列混入无法解析、未知或超大的消息", poisoned),
    _row("B3.late_and_again", "messages and notices come again, days late and out of order",
         "消息与通知迟到数天、乱序、重放", late_and_again),
    _row("B4.flushed", "the broker loses everything in mid-sale", "抢购中消息队列被清空", flushed),
)  # fmt: skip
