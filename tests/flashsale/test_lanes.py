"""The lanes outlive whatever they meet."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from flashsale.facts import Reservation, Reserved
from flashsale.lanes import Lanes, Waiting
from flashsale.settings import FlashsaleSettings
from kit.sinks import Waiter
from tests.flashsale.scenes import a_wish


async def test_a_lane_whose_idle_work_fails_goes_on() -> None:
    failures = ["first", "second"]
    stumbled = asyncio.Event()

    async def stumble() -> None:
        if failures:
            failure = failures.pop()
            if not failures:
                stumbled.set()
            raise RuntimeError(failure)

    async def serve(batch: Sequence[Waiting]) -> None:
        now = datetime.now(UTC)
        for waiting in batch:
            wish = waiting.wish
            held = Reservation(
                wish.reservation_id, wish.sale_id, wish.sku, wish.user_id, 1, 100, "CNY", "held", None, now, now,
                None, None, None, None,
            )  # fmt: skip
            waiting.tell(Reserved(held, replayed=False))

    lanes = Lanes(FlashsaleSettings(lanes=1), serve, stumble)
    lanes.start()
    async with asyncio.timeout(10):
        assert not (await _answer(lanes, "ada")).replayed
        await stumbled.wait()
        assert not (await _answer(lanes, "bob")).replayed
        await lanes.stop()


async def _answer(lanes: Lanes, user_id: str) -> Reserved:
    waiter: Waiter[Reserved] = Waiter()
    assert lanes.enter(a_wish("sale-x", user_id), waiter) is None
    return await waiter
