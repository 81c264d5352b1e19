"""A tick every fraction of a millisecond: event loops round their timers to whole milliseconds, arrivals do not."""

import asyncio
import ctypes
import ctypes.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

TICK_SECONDS: Final = 0.0002  # five thousand wake-ups a second, some three per cent of a core
_CLOCK_MONOTONIC: Final = 1
_NONBLOCKING: Final = 0o4000


class _Span(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Span), ("first", _Span))


@contextmanager
def ticking(tick: Callable[[], None]) -> Iterator[None]:
    """Calls `tick` in the running loop every `TICK_SECONDS`, or every millisecond where the system has no timerfd."""
    loop = asyncio.get_running_loop()
    timer = _timer()
    if timer is None:
        repeat = _Repeat(loop, tick)
        try:
            yield
        finally:
            repeat.is_over = True
        return

    def wake() -> None:
        os.read(timer, 8)
        tick()

    loop.add_reader(timer, wake)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _timer() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    system = ctypes.CDLL(None, use_errno=True)
    descriptor: int = system.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCKING)
    span = _Span(0, int(TICK_SECONDS * 1e9))
    if descriptor < 0 or system.timerfd_settime(descriptor, 0, ctypes.byref(_Timer(span, span)), None) != 0:
        return None
    return descriptor


class _Repeat:
    def __init__(self, loop: asyncio.AbstractEventLoop, tick: Callable[[], None]) -> None:
        self._loop, self._tick = loop, tick
        self.is_over = False
        self._again()

    def _again(self) -> None:
        if not self.is_over:
            self._tick()
            self._loop.call_later(0.001, self._again)
