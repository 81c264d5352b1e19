"""What a limit can refuse, as business facts."""

from collections.abc import Sequence

from kit.errors import DomainError
from queueing.limits.decisions import Decision, Wait


class QuotaExceeded(DomainError):
    """The caller has asked for more than its part. `decision` says which policies refused, `waits` when to come back."""

    code = "quota_exceeded"

    def __init__(self, decision: Decision, waits: Sequence[Wait]) -> None:
        self.decision, self.waits = decision, waits
        super().__init__(retry_after_seconds=max([seconds for _, seconds in waits]))


class CapacityReduced(QuotaExceeded):
    """Only quotas that all callers share stood in the way: it is not this caller's doing."""

    code = "capacity_reduced"


def refusal(decision: Decision) -> QuotaExceeded:
    """The error for a request that was refused."""
    policies, waits = decision.terms.policies, decision.waits()
    own = [place for place, _ in waits if not policies[place].shared]
    return QuotaExceeded(decision, waits) if own else CapacityReduced(decision, waits)
