"""A bounded rate: a bucket of tokens that refills with time."""

import time
from collections.abc import Callable


class Trickle:
    """At most `per_second` in the long run, and at most one second's worth at once."""

    def __init__(self, per_second: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._size = max(per_second, 1.0)
        self._monotonic = monotonic
        self._tokens, self._since = self._size, monotonic()

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = self._monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._since) * self._per_second)
        self._since = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
