"""When this process looks for garbage that refers to itself: hardly ever, for it makes hardly any.

Requests and connections free themselves; what does not is a handful of objects a second. But what waits for its turn looks
to Python's collector like growth, and it looks through everything again and again: with ten thousand connections that
took 0.25 s every two seconds (measured), and all who had waited for a quarter of their second of good time were late.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Final

# Net new objects before the youngest are looked through, and how often that is done before those that survived it are.
YOUNG_OBJECTS: Final = 20_000
YOUNG_ROUNDS: Final = 20
NEVER: Final = 1_000_000  # the oldest are looked through by the clock below, not by their growth
LOOK_SECONDS: Final = 60.0
LOOKS_MISSED_MAX: Final = 10  # a process that is never at rest pauses once in so many


async def collect_at_rest(at_rest: Callable[[], bool]) -> None:
    """Until cancelled. What is there at the beginning stays for good and is never looked through again."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, NEVER)
    missed = 0
    try:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if at_rest() or missed >= LOOKS_MISSED_MAX:
                gc.collect()
                missed = 0
            else:
                missed += 1
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
