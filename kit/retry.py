"""Retry presets on tenacity: the caller says on what; attempts, total time and jitter are decided here.

Nothing that writes is retried unless it carries an operation id; waiting is bounded by attempts and by seconds.
"""

from collections.abc import Callable

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from kit.errors import Unavailable


def when_unavailable(error: BaseException) -> bool:
    return isinstance(error, Unavailable)


def idempotent(on: Callable[[BaseException], bool] = when_unavailable) -> AsyncRetrying:
    """For calls with an operation id: 3 attempts within 5 seconds, full jitter up to 1 second."""
    return AsyncRetrying(
        retry=retry_if_exception(on),
        stop=stop_after_attempt(3) | stop_after_delay(5),
        wait=wait_random_exponential(multiplier=0.1, max=1),
        reraise=True,
    )


def at_start(on: Callable[[BaseException], bool] = when_unavailable) -> AsyncRetrying:
    """For a process that waits for its servers: up to 30 seconds, then it gives up and its supervisor decides."""
    return AsyncRetrying(
        retry=retry_if_exception(on),
        stop=stop_after_delay(30),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )
