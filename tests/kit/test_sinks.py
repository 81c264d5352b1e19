"""A sink that can be awaited."""

import asyncio

import pytest

from kit.errors import Unavailable
from kit.sinks import Waiter


async def test_a_waiter_gets_what_its_sink_was_told() -> None:
    told: Waiter[int] = Waiter()
    told.tell(3)
    told.tell(4)
    assert await told == 3
    refused: Waiter[int] = Waiter()
    refused.refuse(Unavailable("x"))
    with pytest.raises(Unavailable):
        await refused


async def test_a_waiter_that_left_is_told_in_vain() -> None:
    waiter: Waiter[int] = Waiter()
    task = asyncio.ensure_future(_wait(waiter))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiter.done()
    waiter.tell(1)
    waiter.refuse(Unavailable("x"))


async def _wait(waiter: Waiter[int]) -> int:
    return await waiter
