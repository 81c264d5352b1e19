"""Batches are shared evenly between sales, bounded for each, and outlive whatever one of them meets."""

import asyncio
from collections.abc import Sequence

import pytest

from flashsale.facts import Reserved
from flashsale.lanes import Lanes, Waiting
from flashsale.rules import BucketName
from flashsale.settings import FlashsaleSettings
from kit.errors import Unavailable
from kit.sinks import Waiter
from tests.flashsale.scenes import SKU, a_wish

BATCH = 10


class Served:
    """A room that writes down what it was handed and answers nothing."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def serve(self, batch: Sequence[Waiting]) -> None:
        self.batches.append([waiting.wish.sale_id for waiting in batch])
        if any(waiting.wish.user_id == "poison" for waiting in batch):
            raise ZeroDivisionError

    async def idle(self) -> None: ...


def fill(lanes: Lanes, sale_id: str, count: int, user: str = "u") -> list[Waiter[Reserved]]:
    """Enters so many wishes; the waiters of those that found room."""
    entered = []
    for n in range(count):
        waiter: Waiter[Reserved] = Waiter()
        if lanes.enter(a_wish(sale_id, user if user == "poison" else f"{user}{n}"), waiter) is None:
            entered.append(waiter)
    return entered


async def test_a_crowded_sale_delays_another_by_one_batch_at_most() -> None:
    served = Served()
    lanes = Lanes(FlashsaleSettings(batch_max=BATCH, lanes=1), served.serve, served.idle)
    lanes.start()
    crowd = fill(lanes, "crowded", 100)
    few = fill(lanes, "quiet", 3)
    await lanes.stop()
    assert served.batches[0].count("quiet") == 3
    assert all(len(batch) <= BATCH for batch in served.batches)
    assert sum(len(batch) for batch in served.batches) == 103
    assert all(isinstance(waiter.exception(), Unavailable) for waiter in crowd + few), (
        "nobody is left waiting"
    )


@pytest.mark.parametrize("buckets", [1, 8])
async def test_each_bucket_is_served_by_one_lane_alone_and_a_whole_item_by_all(buckets: int) -> None:
    serving: list[set[BucketName]] = []
    met = 0

    async def serve(batch: Sequence[Waiting]) -> None:
        nonlocal met
        mine = {waiting.wish.bucket for waiting in batch}
        met += any(mine & others for others in serving)
        serving.append(mine)
        await asyncio.sleep(0)  # the other lane takes its batch meanwhile
        serving.remove(mine)

    lanes = Lanes(FlashsaleSettings(batch_max=BATCH, lanes=2), serve, Served().idle)
    lanes.start()
    for n in range(200):
        wish = a_wish("hot", f"u{n}", bucket=("hot", SKU, n % buckets), buckets=buckets)
        assert lanes.enter(wish, Waiter()) is None
    await lanes.stop()
    assert (met > 0) == (buckets == 1)


async def test_a_crowded_sale_does_not_fill_the_queue_of_another() -> None:
    served = Served()
    lanes = Lanes(FlashsaleSettings(queue_max=20, lanes=1), served.serve, served.idle)
    lanes.start()
    assert len(fill(lanes, "crowded", 100)) == 20
    assert len(fill(lanes, "quiet", 100)) == 10
    await lanes.stop()


async def test_a_batch_that_fails_answers_its_own_and_the_next_one_goes_on() -> None:
    served = Served()
    lanes = Lanes(FlashsaleSettings(batch_max=1, lanes=1), served.serve, served.idle)
    lanes.start()
    waiters = fill(lanes, "sale", 1, "poison") + fill(lanes, "sale", 2)
    for waiter in waiters:
        with pytest.raises(Unavailable):
            await waiter
    await lanes.stop()
    assert len(served.batches) == 3
    assert fill(lanes, "sale", 1) == [], "who comes after the end finds no room"
