"""Counts what a batch came to: in plain numbers first, for a label costs more than a decision."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache

from prometheus_client import Counter

from queueing.limits import metrics
from queueing.limits.decisions import Decision
from queueing.limits.policy import LimitPolicy
from queueing.limits.terms import Terms


def tally(decided: Iterable[tuple[Terms, Sequence[Decision]]]) -> None:
    """Adds requests, checks by policy and near misses to the metrics; what was decided comes by its terms."""
    together: dict[Terms, list[Decision]] = {}
    for terms, decisions in decided:
        together.setdefault(terms, []).extend(decisions)
    for terms, decisions in together.items():
        _tally_alike(terms, decisions)


def _tally_alike(terms: Terms, decisions: Sequence[Decision]) -> None:
    by = "local" if decisions[0].degraded else "redis"
    passed = [decision.ahead for decision in decisions if decision.allowed]
    refused = [decision.ahead for decision in decisions if not decision.allowed]
    _count(_requests("allowed", by), len(passed))
    _count(_requests("refused", by), len(refused))
    for place, policy in enumerate(terms.policies):
        _tally_checks(policy, [ahead[2 * place] for ahead in passed], [ahead[2 * place] for ahead in refused])


def _tally_checks(policy: LimitPolicy, passed: list[int], refused: list[int]) -> None:
    passed.sort()
    refused.sort()
    watched = bisect_left(passed, 0)
    _count(_checks(policy.name, "passed"), len(passed) - watched)
    _count(_near(policy.name), len(passed) - bisect_right(passed, policy.near_us))
    # Of a refused request the limits that would have let it pass count for nothing: they have let nothing pass.
    stood = bisect_left(refused, 0)
    _count(_checks(policy.name, "watched" if policy.shadow else "refused"), watched + stood)


def _count(counter: Counter, count: int) -> None:
    if count:
        counter.inc(count)


@cache
def _checks(policy: str, outcome: str) -> Counter:
    return metrics.checks.labels(policy, outcome)


@cache
def _near(policy: str) -> Counter:
    return metrics.near.labels(policy)


@cache
def _requests(outcome: str, by: str) -> Counter:
    return metrics.requests.labels(outcome, by)
