"""Waiting for what cannot tell that it has happened."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

LOOK_SECONDS: Final = 0.005


async def wait_until(happened: Callable[[], Awaitable[bool]], seconds_max: float) -> None:
    """Returns once `happened` says so. Raises `TimeoutError` after `seconds_max`."""
    async with asyncio.timeout(seconds_max):
        while True:
            if await happened():
                return
            await asyncio.sleep(LOOK_SECONDS)
