"""Percentiles: within a bucket of the exact ones, and never better for what was not answered."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.bench.client.histogram import SUB_BUCKETS, Histogram, bucket_of, upper_micros


@given(st.integers(min_value=0, max_value=10**9))
def test_a_bucket_holds_its_value_to_within_a_sixty_fourth(micros: int) -> None:
    upper = upper_micros(bucket_of(micros))
    assert micros <= upper <= micros * (1 + 1 / SUB_BUCKETS)


@given(st.lists(st.integers(min_value=0, max_value=10**8), min_size=2, max_size=50))
def test_a_longer_latency_is_never_in_an_earlier_bucket(latencies: list[int]) -> None:
    buckets = [bucket_of(each) for each in sorted(latencies)]
    assert buckets == sorted(buckets)


@given(
    st.lists(st.integers(min_value=0, max_value=10**7), min_size=1, max_size=300),
    st.sampled_from([50.0, 90.0, 99.0, 99.9, 100.0]),
)
def test_a_percentile_is_the_exact_one_to_within_a_bucket(micros: list[int], percent: float) -> None:
    exact = sorted(micros)[max(1, math.ceil(len(micros) * percent / 100)) - 1]
    found = Histogram.of(each / 1e6 for each in micros).percentile_ms(percent) * 1000
    # A microsecond may be lost on the way through seconds.
    assert exact - 1 <= found <= (exact + 1) * (1 + 1 / SUB_BUCKETS)


def test_what_was_not_answered_is_slower_than_everything_that_was() -> None:
    whole = Histogram.of([0.001] * 100)
    assert whole.percentile_ms(99) == pytest.approx(1.0, rel=0.02)
    holed = Histogram.of([0.001] * 98, missing=2)
    assert math.isinf(holed.percentile_ms(99))
    assert holed.percentile_ms(98) == pytest.approx(1.0, rel=0.02)
    assert holed.total == 100


def test_a_percentile_that_never_came_is_told_as_none() -> None:
    told = Histogram.of([0.002] * 50, missing=50).summary()
    assert told["p99"] is None
    assert told["p50"] == pytest.approx(2.0, rel=0.02)


def test_nothing_planned_has_no_percentile() -> None:
    assert math.isinf(Histogram.of([]).percentile_ms(50))
