"""Counts what a batch came to: in plain numbers first, for a label costs more than a decision."""

from collections.abc import Sequence
from functools import cache

from prometheus_client import Counter

from queueing.limits import metrics
from queueing.limits.decisions import Decision
from queueing.limits.policy import LimitPolicy


def tally(decisions: Sequence[Decision]) -> None:
    """Adds requests, checks by policy and near misses to the metrics."""
    counts: dict[tuple[LimitPolicy, str], int] = {}
    requests: dict[tuple[str, str], int] = {}
    for decision in decisions:
        who = ("allowed" if decision.allowed else "refused", "local" if decision.degraded else "redis")
        requests[who] = requests.get(who, 0) + 1
        at = 0
        for policy, _ in decision.checks:
            whole = decision.ahead[at]
            at += 2
            if whole < 0:
                of = (policy, "watched" if policy.shadow else "refused")
            elif not decision.allowed:
                continue  # another limit refused, so this one has let nothing pass
            else:
                of = (policy, "passed")
                if whole > policy.near_us:
                    near = (policy, "near")
                    counts[near] = counts.get(near, 0) + 1
            counts[of] = counts.get(of, 0) + 1
    for (outcome, by), count in requests.items():
        _requests(outcome, by).inc(count)
    for (policy, outcome), count in counts.items():
        _counter(policy.name, outcome).inc(count)


@cache
def _counter(policy: str, outcome: str) -> Counter:
    return metrics.near.labels(policy) if outcome == "near" else metrics.checks.labels(policy, outcome)


@cache
def _requests(outcome: str, by: str) -> Counter:
    return metrics.requests.labels(outcome, by)
