"""The local share: what one process may give while Redis is away. One part in N of every quota, N being the lease's."""

import time
from typing import Final, NamedTuple

from kit.clock import Clock
from queueing.limits import metrics, rules
from queueing.limits.decisions import Decision
from queueing.limits.members import Member, Run
from queueing.limits.policy import SECOND_US, LimitPolicy
from queueing.limits.terms import Mode

SWEEP_SECONDS: Final = 1.0  # looking through a full table takes ten milliseconds; not for every newcomer


class _View(NamedTuple):
    """One bucket as a request meets it: ticks from full before and after."""

    policy: LimitPolicy
    used: int
    after: int
    fits: bool


class LocalShare:
    """Buckets of this process alone, kept in ticks as the script keeps its own; full ones are forgotten."""

    def __init__(self, clock: Clock, keys_max: int) -> None:
        self._clock, self._keys_max = clock, keys_max
        self._buckets: dict[
            str, tuple[int, int]
        ] = {}  # key → instant of being full, in ticks; ticks a microsecond
        self._swept = 0.0

    def decide(self, member: Member, processes: int) -> Decision | None:
        """This process's answer; None when it cannot keep more buckets in mind. All or nothing, like Redis's."""
        terms, buckets = member.terms, _buckets(member)
        if len(self._buckets) + len(buckets) > self._keys_max and not self._sweep():
            return None
        now_us = self._now_us()
        views = [
            self._view(bucket, policy, terms.cost, processes, now_us)
            for bucket, policy in zip(buckets, terms.policies, strict=True)
        ]
        allowed = all(view.fits or view.policy.shadow for view in views)
        take = allowed and terms.mode is Mode.TAKE
        ahead: list[int] = []
        for bucket, view in zip(buckets, views, strict=True):
            base = view.policy.denominator
            if take and view.fits:
                self._buckets[bucket] = (now_us * base + view.after, base)
            whole, rest = divmod(view.after if take and view.fits else view.used, base)
            ahead += (whole if view.fits else -1 - whole, rest)
        metrics.local_keys.set(len(self._buckets))
        return Decision(
            allowed,
            member.scope,
            member.checks,
            terms,
            now_us,
            ahead,
            taken=take,
            share=processes,
            degraded=True,
        )

    def _view(self, bucket: str, policy: LimitPolicy, cost: int, processes: int, now_us: int) -> "_View":
        interval, capacity = rules.share_of(policy.burst, policy.interval, processes)
        tat, _ = self._buckets.get(bucket, (0, 1))
        now = now_us * policy.denominator
        used = rules.ahead_at(tat, now, capacity)
        if tat - now > used > 0:  # the clock was set back; it would owe the same again at the next request
            self._buckets[bucket] = (now + used, policy.denominator)
        after = used + cost * interval
        # What costs more than a whole part is refused until Redis is back, or the parts would not add up.
        return _View(policy, used, after, after <= capacity)

    def refund(self, member: Member, share: int) -> None:
        """Gives back what the local share gave, by the same rule as Redis."""
        now_us = self._now_us()
        for number, bucket in enumerate(_buckets(member)):
            until, base = self._buckets.get(bucket, (0, 1))
            interval = member.terms.policies[number].interval * share
            taken_until = member.until[2 * number] * base + member.until[2 * number + 1]
            back = rules.refundable(taken_until, member.terms.cost * interval, now_us * base)
            if back:
                self._buckets[bucket] = (until - back, base)

    def _sweep(self) -> bool:
        """Forgets the full buckets; whether there is room now."""
        now = time.monotonic()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            now_us = self._now_us()
            self._buckets = {
                k: (tat, base) for k, (tat, base) in self._buckets.items() if tat > now_us * base
            }
        return len(self._buckets) < self._keys_max

    def _now_us(self) -> int:
        return round(self._clock.now().timestamp() * SECOND_US)


def _buckets(member: Member) -> list[str]:
    return Run(member.terms, [member]).buckets()
