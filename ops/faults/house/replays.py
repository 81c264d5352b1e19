"""B3: bells and notices of yesterday, late and in another order. What has ended stays as it is."""

from typing import Any, Final

import msgspec
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from kit.clock import SystemClock, rfc3339
from ops.faults.house.broker import is_quiet, ring_copies
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import nothing_left
from ops.faults.matrix import Found

DAY_MS: Final = 86_400_000
# What a replay must not move: how far everything of the sale is.
STANDS: Final = """
    SELECT (SELECT string_agg(reservation_id::text || state, ',' ORDER BY reservation_id)
            FROM flashsale.reservations WHERE sale_id = :sale_id),
           (SELECT string_agg(grant_id::text || g.state || attempts, ',' ORDER BY grant_id)
            FROM rewards.grants g JOIN rewards.payouts USING (grant_id) WHERE sale_id = :sale_id)"""


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
    await shop.until("every bell was heard", lambda: is_quiet(shop))
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


ROWS: Final = (
    house_row("B3.late_and_again", "messages and notices come again, days late and out of order",
              "消息与通知迟到数天、乱序、重放", late_and_again),
)  # fmt: skip
