"""Time is UTC, injectable and written one way."""

from datetime import UTC, datetime, timedelta, timezone

from kit.clock import SteppedClock, SystemClock, rfc3339


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
