"""What requests have in common that ask alike: worked out once, for a check must cost less than what it guards."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import chain
from typing import Final

from queueing.limits.policy import Check, LimitPolicy

CHECKS_MAX: Final = (
    16  # address, user, device, sale, item, route, and as many again; a batch stays under 5,000 keys
)
KEPT_MAX: Final = 1024  # a process has a handful of routes, each with policies of its own


class Mode(IntEnum):
    """What is asked of the buckets (lua/decide.lua)."""

    TAKE = 1
    PEEK = 2
    REFUND = 3


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What is asked, at what cost, and under which policies, in the order asked; found by identity."""

    mode: Mode
    cost: int
    policies: tuple[LimitPolicy, ...]
    told: tuple[int, ...]  # as the script is told: the number of checks, and the shape of each
    strict: tuple[int, ...]  # the places of the policies that do more than watch
    named_apart: bool  # no two policies share a name, so no two checks can share a bucket

    def refusing(self, ahead: Sequence[int]) -> list[int]:
        """The places of the policies that stand in the way, by what the script says of the buckets."""
        return [place for place in self.strict if ahead[2 * place] < 0]


@lru_cache(maxsize=KEPT_MAX)
def terms_of(mode: Mode, cost: int, *policies: LimitPolicy) -> Terms:
    """The terms of requests that ask so. Raises `ValueError` for what no request can mean."""
    if not 1 <= len(policies) <= CHECKS_MAX:
        raise ValueError(f"a request is under 1 to {CHECKS_MAX} limits")
    shapes = [policy.shape(cost) for policy in policies]
    return Terms(
        mode,
        cost,
        policies,
        (len(policies), *chain.from_iterable(shapes)),
        tuple(place for place, policy in enumerate(policies) if not policy.shadow),
        len({policy.name for policy in policies}) == len(policies),
    )


def terms_of_checks(mode: Mode, checks: Sequence[Check], cost: int) -> Terms:
    """Like `terms_of`; raises `ValueError` for twice the same bucket too."""
    terms = terms_of(mode, cost, *[check.policy for check in checks])
    if not terms.named_apart and len({(check.policy.name, check.key) for check in checks}) < len(checks):
        raise ValueError("no two limits of a request may be one bucket")
    return terms
