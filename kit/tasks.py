"""How tasks that run for ever are ended."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

CANCEL_AGAIN_SECONDS: Final = 1.0  # letting go of a view or of a leadership takes milliseconds


async def end_tasks(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Returns when all have ended, each cancelled as often as it takes: a library may take a cancellation that meets its
    own time-out for that time-out."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
