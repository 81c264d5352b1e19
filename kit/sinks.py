"""Where an answer goes that was not waited for.

A future costs an object, a callback and one more turn of the event loop; whoever asks for tens of thousands of
answers a second hands in a sink instead and is told.
"""

import asyncio
from typing import Protocol, TypeVar

from kit.errors import DomainError

T_contra = TypeVar("T_contra", contravariant=True)
T = TypeVar("T")


class Sink(Protocol[T_contra]):
    """Told exactly once, in the event loop, how one request ended; neither call raises."""

    def tell(self, answer: T_contra) -> None: ...

    def refuse(self, error: DomainError) -> None: ...


class Listener(Sink[T_contra], Protocol[T_contra]):
    """A sink that says when nobody listens any more, so that what has not begun need not be done for it."""

    def done(self) -> bool: ...


class Waiter(asyncio.Future[T]):
    """A sink that can be awaited: for callers who are tasks anyway. One that was cancelled is told in vain."""

    def tell(self, answer: T) -> None:
        if not self.done():
            self.set_result(answer)

    def refuse(self, error: DomainError) -> None:
        if not self.done():
            self.set_exception(error)
