"""The local share: what one process may give while Redis is away. One part in N of every quota, N being the lease's."""

import time
from typing import Final

from kit.clock import Clock
from queueing.limits import metrics, rules
from queueing.limits.decisions import Decision
from queueing.limits.members import Member, Mode
from queueing.limits.policy import SECOND_US

SWEEP_SECONDS: Final = 1.0  # looking through a full table takes ten milliseconds; not for every newcomer


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
        if len(self._buckets) + len(member.buckets) > self._keys_max and not self._sweep():
            return None
        now_us = self._now_us()
        ahead: list[int] = []
        taken: list[tuple[str, int, int]] = []
        allowed = True
        for number, bucket in enumerate(member.buckets):
            policy = member.checks[number].policy
            base = policy.denominator
            interval, capacity = rules.share_of(policy.burst, policy.interval, processes)
            now = now_us * base
            used = rules.ahead_at(self._buckets.get(bucket, (0, base))[0], now, capacity)
            # A request that costs more than the whole part takes the whole part, or it would never pass.
            after = used + min(member.cost * interval, capacity)
            fits = after <= capacity
            if fits:
                taken.append((bucket, now + after, base))
            elif not policy.shadow:
                allowed = False
            whole, rest = divmod(after if fits and member.mode is Mode.TAKE else used, base)
            ahead += (whole if fits else -1 - whole, rest)
        decision = Decision(
            allowed, member.scope, member.checks, member.cost, now_us, ahead, processes, degraded=True
        )
        if allowed and member.mode is Mode.TAKE:
            for bucket, until, base in taken:
                self._buckets[bucket] = (until, base)
        return decision

    def refund(self, member: Member, share: int) -> None:
        """Gives back what the local share gave, by the same rule as Redis."""
        now_us = self._now_us()
        for number, bucket in enumerate(member.buckets):
            until, base = self._buckets.get(bucket, (0, 1))
            interval, capacity = rules.share_of(
                member.checks[number].policy.burst, member.checks[number].policy.interval, share
            )
            taken_until = member.until[2 * number] * base + member.until[2 * number + 1]
            cost = min(member.cost * interval, capacity)
            back = rules.refundable(taken_until, cost, now_us * base)
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
        metrics.local_keys.set(len(self._buckets))
        return len(self._buckets) < self._keys_max

    def _now_us(self) -> int:
        return round(self._clock.now().timestamp() * SECOND_US)
