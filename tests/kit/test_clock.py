"""Time is UTC, injectable and written one way."""

import time
from datetime import UTC, datetime, timedelta, timezone

from kit.clock import SteppedClock, StoreClock, SystemClock, rfc3339
from kit.postgres import Postgres
from kit.storetime import read_time


def test_the_system_clock_is_aware_and_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_a_stepped_clock_moves_only_when_told() -> None:
    clock = SteppedClock(datetime(2026, 11, 11, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.step(1.5)
    assert clock.now() == datetime(2026, 11, 11, 0, 0, 1, 500_000, tzinfo=UTC)


def test_times_are_written_in_utc_with_milliseconds() -> None:
    midnight_in_china = datetime(2026, 11, 11, tzinfo=timezone(timedelta(hours=8)))
    assert rfc3339(midnight_in_china) == "2026-11-10T16:00:00.000Z"


def test_a_store_clock_tells_the_stores_time_whatever_its_own_says() -> None:
    own = SteppedClock(datetime(2026, 11, 11, tzinfo=UTC))
    clock = StoreClock(own)
    assert clock.now() == own.now()

    now = time.monotonic()
    clock.learn(own.seconds() + 90.0, now, now)
    own.step(-3600.0)

    assert 90.0 <= clock.seconds() - datetime(2026, 11, 11, tzinfo=UTC).timestamp() < 91.0


def test_a_reading_that_was_long_on_its_way_teaches_nothing() -> None:
    clock = StoreClock(SteppedClock())
    now = time.monotonic()
    clock.learn(1_000.0, now, now)

    clock.learn(5_000.0, now - 1.0, now)

    assert 1_000.0 <= clock.seconds() < 1_001.0


async def test_a_store_clock_learns_from_postgresql(postgres: Postgres) -> None:
    long_ago = SteppedClock(datetime(2001, 1, 1, tzinfo=UTC))
    clock = StoreClock(long_ago)

    await read_time(clock, postgres)

    assert abs(clock.seconds() - SystemClock().seconds()) < 5.0
