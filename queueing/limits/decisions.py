"""What came of a request, and what its caller may be told."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from queueing.limits import rules
from queueing.limits.policy import SECOND_US, Check, LimitPolicy
from queueing.limits.terms import Terms

REDIS_ALONE: Final = 1  # the share of one decider that has the whole quota
Wait = tuple[int, float]


class LimitState(NamedTuple):
    """One limit after the request: whole units left, seconds until all are back, and whether it stood in the way."""

    name: str
    remaining: int
    reset_seconds: float
    policy: LimitPolicy
    exceeded: bool
    wait_seconds: float  # until the request would fit, if nobody else takes anything


class Decision(msgspec.Struct, eq=False, gc=False):
    """`allowed` or not; the rest is worked out only for who asks, and limit by limit: one a place in `checks`.

    `ahead` holds two numbers a check as the script tells them (lua/decide.lua); `now_us` is the clock they count from.
    `share` is the number of processes that divided the quota among themselves; 1 where Redis decided. `taken` says that
    units were taken and not given back.
    """

    allowed: bool
    scope: str
    checks: Sequence[Check]
    terms: Terms
    now_us: int
    ahead: Sequence[int]
    taken: bool = False
    share: int = REDIS_ALONE
    degraded: bool = False

    @property
    def cost(self) -> int:
        """The units that were asked of each limit."""
        return self.terms.cost

    @property
    def policies(self) -> list[LimitState]:
        """Every limit of the request, in the order asked."""
        return [self._state(place) for place in range(len(self.checks))]

    @property
    def violated(self) -> list[str]:
        """The policies that refused, by name; empty when the request was allowed."""
        policies = self.terms.policies
        return [policies[place].name for place in self.terms.refusing(self.ahead)]

    @property
    def watched(self) -> list[str]:
        """The shadow policies that would have refused, by name."""
        policies = enumerate(self.terms.policies)
        return [policy.name for place, policy in policies if policy.shadow and self.ahead[2 * place] < 0]

    @property
    def retry_after_seconds(self) -> float:
        """When the same request would pass every limit that refused, at the earliest; 0 when it was allowed."""
        return max([seconds for _, seconds in self.waits()], default=0.0)

    def waits(self) -> list[Wait]:
        """The place of each limit that refused, and the seconds until the request would fit it."""
        return [(place, self.wait_seconds(place)) for place in self.terms.refusing(self.ahead)]

    def remaining(self, place: int) -> int:
        """Whole units left of a limit."""
        policy = self.terms.policies[place]
        interval, capacity = rules.share_of(policy.burst, policy.interval, self.share)
        return rules.remaining(self._ticks(place), capacity, interval)

    def wait_seconds(self, place: int) -> float:
        """Until the request would fit a limit that stood in the way, if nobody else takes anything."""
        policy = self.terms.policies[place]
        interval, capacity = rules.share_of(policy.burst, policy.interval, self.share)
        ticks = rules.wait(self._ticks(place), self.terms.cost * interval, capacity)
        return ticks / (policy.denominator * SECOND_US)

    def taken_until(self) -> list[int]:
        """For a refund: the instant to which each bucket was moved, µs and rest, flat; 0, 0 where nothing was taken."""
        until = []
        for place in range(len(self.checks)):
            whole, rest = self.ahead[2 * place], self.ahead[2 * place + 1]
            until += [self.now_us + whole, rest] if self.taken and whole >= 0 else [0, 0]
        return until

    def _ticks(self, place: int) -> int:
        """How far from full a bucket is."""
        whole = self.ahead[2 * place]
        far = whole if whole >= 0 else -1 - whole
        return far * self.terms.policies[place].denominator + self.ahead[2 * place + 1]

    def _state(self, place: int) -> LimitState:
        policy, exceeded = self.terms.policies[place], self.ahead[2 * place] < 0
        return LimitState(
            policy.name,
            self.remaining(place),
            self._ticks(place) / (policy.denominator * SECOND_US),
            policy,
            exceeded,
            self.wait_seconds(place) if exceeded else 0.0,
        )
