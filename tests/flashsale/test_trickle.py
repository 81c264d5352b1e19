"""The bounded rate."""

from flashsale.trickle import Trickle


def test_a_trickle_lets_a_seconds_worth_through_at_once_and_then_its_rate() -> None:
    now = [0.0]
    trickle = Trickle(5, monotonic=lambda: now[0])
    assert [trickle.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now[0] = 0.2
    assert [trickle.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert sum(trickle.take() for _ in range(20)) == 5
