"""What came of a request, and what its caller may be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from queueing.limits import rules
from queueing.limits.policy import SECOND_US, Check, LimitPolicy

REDIS_ALONE: Final = 1  # the share of one decider that has the whole quota


class LimitState(NamedTuple):
    """One limit after the request: whole units left, seconds until all are back, and whether it stood in the way."""

    name: str
    remaining: int
    reset_seconds: float
    policy: LimitPolicy
    exceeded: bool
    wait_seconds: float  # until the request would fit, if nobody else takes anything


@dataclass(slots=True, eq=False)
class Decision:
    """`allowed` or not; the rest is worked out only for who asks.

    `ahead` holds two numbers a check as the script tells them (lua/decide.lua); `now_us` is the clock they count from.
    `share` is the number of processes that divided the quota among themselves; 1 where Redis decided. `taken` says that
    units were taken and not given back.
    """

    allowed: bool
    scope: str
    checks: Sequence[Check]
    cost: int
    now_us: int
    ahead: Sequence[int]
    share: int = REDIS_ALONE
    degraded: bool = False
    taken: bool = False

    @property
    def policies(self) -> list[LimitState]:
        """Every limit of the request, in the order asked."""
        return [self._state(place) for place in range(len(self.checks))]

    @property
    def violated(self) -> list[str]:
        """The policies that refused, by name; empty when the request was allowed."""
        return [policy.name for policy in self._exceeded() if not policy.shadow]

    @property
    def watched(self) -> list[str]:
        """The shadow policies that would have refused, by name."""
        return [policy.name for policy in self._exceeded() if policy.shadow]

    @property
    def retry_after_seconds(self) -> float:
        """When the same request would pass every limit that refused, at the earliest; 0 when it was allowed."""
        return max((s.wait_seconds for s in self.policies if s.exceeded and not s.policy.shadow), default=0.0)

    def taken_until(self) -> list[int]:
        """For a refund: the instant to which each bucket was moved, µs and rest, flat; 0, 0 where nothing was taken."""
        until = []
        for place in range(len(self.checks)):
            whole, rest = self.ahead[2 * place], self.ahead[2 * place + 1]
            until += [self.now_us + whole, rest] if self.taken and whole >= 0 else [0, 0]
        return until

    def _exceeded(self) -> list[LimitPolicy]:
        return [check.policy for place, check in enumerate(self.checks) if self.ahead[2 * place] < 0]

    def _state(self, place: int) -> LimitState:
        policy, whole = self.checks[place].policy, self.ahead[2 * place]
        exceeded = whole < 0
        ahead = (-1 - whole if exceeded else whole) * policy.denominator + self.ahead[2 * place + 1]
        interval, capacity = rules.share_of(policy.burst, policy.interval, self.share)
        second = policy.denominator * SECOND_US
        return LimitState(
            policy.name,
            rules.remaining(ahead, capacity, interval),
            ahead / second,
            policy,
            exceeded,
            rules.wait(ahead, self.cost * interval, capacity) / second if exceeded else 0.0,
        )
