"""(d) throttled-py and limits, each as its documentation shows it, on the same Redis: how many checks a second.

`python -m loadtests.bench.baselines.limiters NAME REDIS_URL SECONDS` prints {"checks", "allowed", "seconds"}.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import uvloop

# So many shoppers, none of whom ever reaches the limit: what is timed is the check.
KEYS: Final = 10_000
QUOTA: Final = 100_000
CALLERS: Final = 32  # at once, where the library is asynchronous; more did not make either faster
Check = Callable[[str], bool]
AsyncCheck = Callable[[str], Awaitable[bool]]


def throttled(url: str) -> Check:
    from throttled import RateLimiterType, Throttled, rate_limiter, store  # noqa: PLC0415 - may not be installed

    limiter = Throttled(
        using=RateLimiterType.TOKEN_BUCKET.value,
        quota=rate_limiter.per_duration(timedelta(seconds=1), QUOTA, burst=QUOTA),
        store=store.RedisStore(server=url),
    )
    return lambda key: not limiter.limit(key).limited


def throttled_async(url: str) -> AsyncCheck:
    from throttled.asyncio import RateLimiterType, RedisStore, Throttled, rate_limiter  # noqa: PLC0415 - may not be installed

    limiter = Throttled(
        using=RateLimiterType.TOKEN_BUCKET.value,
        quota=rate_limiter.per_duration(timedelta(seconds=1), QUOTA, burst=QUOTA),
        store=RedisStore(server=url),
    )

    async def check(key: str) -> bool:
        return not (await limiter.limit(key)).limited

    return check


def limits(url: str) -> Check:
    from limits import RateLimitItemPerSecond  # noqa: PLC0415 - may not be installed
    from limits.storage import RedisStorage  # noqa: PLC0415 - may not be installed
    from limits.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415 - may not be installed

    # It has no token bucket; this is the one of its strategies whose answers come nearest.
    limiter, item = SlidingWindowCounterRateLimiter(RedisStorage(url)), RateLimitItemPerSecond(QUOTA)
    return lambda key: limiter.hit(item, key)


def limits_async(url: str) -> AsyncCheck:
    from limits import RateLimitItemPerSecond  # noqa: PLC0415 - may not be installed
    from limits.aio.storage import RedisStorage  # noqa: PLC0415 - may not be installed
    from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415 - may not be installed

    storage = RedisStorage(f"async+{url}", implementation="redispy")
    limiter, item = SlidingWindowCounterRateLimiter(storage), RateLimitItemPerSecond(QUOTA)
    return lambda key: limiter.hit(item, key)


def call_in_turn(check: Check, seconds: float) -> dict[str, Any]:
    names = itertools.cycle([f"shopper-{number}" for number in range(KEYS)])
    check("warm")
    checks = allowed = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        allowed += check(next(names))
        checks += 1
    return {"checks": checks, "allowed": allowed, "seconds": elapsed}


async def call_at_once(make: Callable[[], AsyncCheck], seconds: float) -> dict[str, Any]:
    check = make()
    names = itertools.cycle([f"shopper-{number}" for number in range(KEYS)])
    await check("warm")
    counted = {"checks": 0, "allowed": 0}
    started = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - started < seconds:
            passed = await check(next(names))
            counted["allowed"] += passed
            counted["checks"] += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return {**counted, "seconds": time.perf_counter() - started}


IN_TURN: Final = {"throttled-py": throttled, "limits": limits}
AT_ONCE: Final = {"throttled-py-async": throttled_async, "limits-async": limits_async}


def main(name: str, url: str, seconds: float) -> None:
    if name in IN_TURN:
        done = call_in_turn(IN_TURN[name](url), seconds)
    else:
        done = uvloop.run(call_at_once(lambda: AT_ONCE[name](url), seconds))
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
