"""What a limit can refuse, as business facts."""

from kit.errors import DomainError
from queueing.limits.decisions import Decision


class QuotaExceeded(DomainError):
    """The caller has asked for more than its part. `decision` says which policies refused and when to come back."""

    code = "quota_exceeded"

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(retry_after_seconds=decision.retry_after_seconds)


class CapacityReduced(QuotaExceeded):
    """Only quotas that all callers share stood in the way: it is not this caller's doing."""

    code = "capacity_reduced"


def refusal(decision: Decision) -> QuotaExceeded:
    """The error for a request that was refused."""
    policies = decision.terms.policies
    own = [place for place in decision.refused if not policies[place].shared]
    return QuotaExceeded(decision) if own else CapacityReduced(decision)
