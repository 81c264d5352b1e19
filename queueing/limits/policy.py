"""What is limited, and how much: a rate as an exact fraction, and how much of it may come at once.

A policy is a token bucket. One unit takes window/quota µs to come back; that is a fraction of whole numbers and stays
one: `interval`/`denominator`, in lowest terms. All of a policy's reckoning is done in ticks of 1/denominator µs, which
are whole numbers, so nothing is rounded and nothing drifts: 3 per 7 s is 7,000,000 ticks a unit, a tick a third of a µs.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd
from typing import Final, Self

import msgspec

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
# One a microsecond is as fine as the clock is.
UNITS_PER_SECOND_MAX: Final = SECOND_US
# A bucket that takes longer to fill is no rate any more. It also keeps every number of the script below 2^53.
FILLING_US_MAX: Final = 366 * DAY_US
# One in so many units left, or fewer, is near the limit: four fifths are used, the share at which Envoy counts too.
NEAR_ONE_IN: Final = 5
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")

# cost µs, rest of it; capacity µs, rest of it; denominator of the rests; 1 if it only watches (lua/decide.lua).
Shape = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class LimitPolicy:
    """`quota` units per `window_us`, at most `burst` at once (the quota, where it is not said).

    `shadow`: watches and counts and never refuses. `shared`: its quota belongs to all callers together (a sale, an item,
    a route), so that nobody oversteps it alone and its numbers are told to nobody. Within a scope a name belongs to one
    rate: of two with one name the smaller would forgive what the larger is owed.
    Raises `ValueError` for what is no rate between one a day and a million a second.
    """

    name: str
    quota: int
    window_us: int
    burst: int = 0
    shadow: bool = False
    shared: bool = False
    interval: int = field(init=False, repr=False)  # ticks until one unit is back
    denominator: int = field(init=False, repr=False)  # ticks a microsecond
    near_us: int = field(
        init=False, repr=False
    )  # further from full than this, at most a fifth of the units is left

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a policy: [a-z][a-z0-9-]*, at most 32 characters")
        if self.quota < 1 or self.window_us < 1 or self.burst < 0:
            raise ValueError(f"{self.name}: quota and window must be positive")
        if self.quota > self.window_us or self.window_us > self.quota * DAY_US:
            raise ValueError(f"{self.name}: a rate lies between 1 a day and 1,000,000 a second")
        shared = gcd(self.quota, self.window_us)
        _set(self, burst=self.burst or self.quota)
        _set(self, interval=self.window_us // shared, denominator=self.quota // shared)
        if self.capacity > FILLING_US_MAX * self.denominator:
            raise ValueError(f"{self.name}: a bucket must be able to fill within a year")
        used_up_to = self.burst - self.burst // NEAR_ONE_IN - 1
        _set(self, near_us=used_up_to * self.interval // self.denominator)

    @classmethod
    def at_rate(cls, name: str, per_second: Fraction | int, burst: int) -> Self:
        """A policy of any exact rate: `Fraction(3, 7)` is three every seven seconds."""
        rate = Fraction(per_second)
        return cls(name, rate.numerator, rate.denominator * SECOND_US, burst)

    @property
    def capacity(self) -> int:
        """Ticks until an empty bucket is full."""
        return self.burst * self.interval

    def shape(self, cost: int) -> Shape:
        """This policy and a cost as the script reckons with them. Raises `ValueError` for a cost that never passes."""
        if not 1 <= cost <= self.burst:
            raise ValueError(f"{self.name}: a request costs 1 to {self.burst} units, not {cost}")
        cost_us, cost_rest = divmod(cost * self.interval, self.denominator)
        capacity_us, capacity_rest = divmod(self.capacity, self.denominator)
        return cost_us, cost_rest, capacity_us, capacity_rest, self.denominator, int(self.shadow)


class Check(msgspec.Struct, frozen=True, gc=False):
    """One limit of a request: the policy, and who or what is counted (an address, a user, a sale …)."""

    policy: LimitPolicy
    key: str


def _set(policy: LimitPolicy, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(policy, name, value)
