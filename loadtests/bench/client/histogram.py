"""Latencies by value, as HdrHistogram keeps them: buckets whose width is about one per cent of what they hold.

What was planned and never sent counts as slower than everything that was: leaving it out is how a stall hides.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

SUB_BUCKETS: Final = 64  # a power of two: each octave is cut into so many, an error of at most 1/64
_SUB_BITS: Final = SUB_BUCKETS.bit_length() - 1


def bucket_of(micros: int) -> int:
    """The bucket of a latency in whole microseconds."""
    if micros < 2 * SUB_BUCKETS:
        return max(0, micros)
    shift = micros.bit_length() - 1 - _SUB_BITS
    return (shift << _SUB_BITS) + (micros >> shift)


def upper_micros(bucket: int) -> int:
    """The highest latency that a bucket holds, in microseconds."""
    if bucket < 2 * SUB_BUCKETS:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return (((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS + 1) << shift) - 1


@dataclass(slots=True)
class Histogram:
    """Counts by bucket, and `missing`: planned and never answered."""

    counts: dict[int, int] = field(default_factory=dict)
    missing: int = 0

    @classmethod
    def of(cls, seconds: Iterable[float], *, missing: int = 0) -> "Histogram":
        made = cls(missing=missing)
        counts = made.counts
        for each in seconds:
            bucket = bucket_of(int(each * 1e6))
            counts[bucket] = counts.get(bucket, 0) + 1
        return made

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + self.missing

    def percentile_ms(self, percent: float) -> float:
        """Milliseconds below which `percent` of everything planned was answered; infinite where that never came."""
        rank = max(1, math.ceil(self.total * percent / 100))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return upper_micros(bucket) / 1000
        return math.inf

    def summary(self) -> Mapping[str, float | None]:
        """The usual percentiles; None where the answer never came."""
        named = {f"p{text}": self.percentile_ms(float(text)) for text in ("50", "90", "99", "99.9")}
        return {name: None if math.isinf(value) else value for name, value in named.items()}
