"""What a client is told of its limits: pure functions from a decision to header fields and a problem.

Form: draft-ietf-httpapi-ratelimit-headers-11 (2026-05-23), whose syntax is that of -10: `RateLimit-Policy` and
`RateLimit` are Lists of Strings with parameters (RFC 9651); problem types of its section 5; `Retry-After` in seconds.

- Quotas that all callers share are not told: their numbers say what it takes to fill the house (section 8.2).
- `t` is at least so long that `r` units within it keep to the rate, and so long as the next unit takes: whoever paces by
  r/t never exceeds the policy (section 6: cap the ratio). `r` and `t` themselves are capped.
- A refusal lists the limits that refused, and no other: `Retry-After` may not come before any `t` beside it, and a
  daily quota that is half used is no reason to come back tomorrow.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import ceil, gcd
from typing import Any, Final

from kit.web.languages import Language
from kit.web.problems import Problems
from queueing.limits.decisions import Decision, Wait
from queueing.limits.errors import QuotaExceeded
from queueing.limits.policy import DAY_US, SECOND_US, LimitPolicy
from queueing.limits.terms import KEPT_MAX, Terms

# A client that is told more plans more than is good for it (section 8.5.1); a page reload forgets longer waits anyway.
REMAINING_MAX: Final = 1_000_000
SECONDS_MAX: Final = 7 * DAY_US // SECOND_US
# Those who are refused together must not come back together (section 8.5): up to a tenth later, at most five seconds.
JITTER_SHARE: Final = 0.1
JITTER_SECONDS_MAX: Final = 5.0
ITEMS_KEPT_MAX: Final = (
    8192  # most callers are near a full bucket, and there is one text for each number of units left
)
_WINDOWS_MAX: Final = 1000  # so many windows are put together at most to make whole seconds of them
_PROBLEM_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
_TYPE_OF_CODE: Final = {
    "quota_exceeded": f"{_PROBLEM_TYPES}quota-exceeded",
    "capacity_reduced": f"{_PROBLEM_TYPES}temporary-reduced-capacity",
}


def policy_field(policies: Iterable[LimitPolicy]) -> str:
    """The value of `RateLimit-Policy`, the same for every answer of a route; empty when there is nothing to tell."""
    return ", ".join(_policy_item(policy) for policy in policies if _is_told(policy))


def limit_field(decision: Decision, waits: Sequence[Wait] = ()) -> str:
    """The value of `RateLimit`; empty when there is nothing to tell. Of a refusal, with its `waits`."""
    policies = decision.terms.policies
    if decision.allowed:
        return ", ".join(
            [_left_item(policies[place], decision.remaining(place)) for place in _told(decision.terms)]
        )
    several = decision.cost > 1  # whoever asked for one unit and was refused has none left
    return ", ".join(
        [
            _wait_item(policies[place].name, decision.remaining(place) if several else 0, _whole(seconds))
            for place, seconds in waits
            if place in _told(decision.terms)
        ]
    )


def retry_after(waits: Sequence[Wait], jitter: float = 0.0) -> int:
    """`Retry-After` of a refusal: whole seconds, not before any `t` that stands beside it. `jitter` lies in [0, 1)."""
    seconds = _whole(max([seconds for _, seconds in waits]))
    return ceil(seconds + jitter * min(seconds * JITTER_SHARE, JITTER_SECONDS_MAX))


def limit_headers(decision: Decision, jitter: float = 0.0) -> dict[str, str]:
    """Every header field that an answer to this request carries for its limits."""
    waits = decision.waits()
    headers = {
        "RateLimit-Policy": policy_field(decision.terms.policies),
        "RateLimit": limit_field(decision, waits),
        "Retry-After": str(retry_after(waits, jitter)) if waits else "",
    }
    return {name: value for name, value in headers.items() if value}


def limit_problem(problems: Problems, error: QuotaExceeded, language: Language) -> tuple[int, dict[str, Any]]:
    """Status and problem document (RFC 9457) of a refusal, with the policies that refused by name."""
    text = problems.table[error.code]
    document = problems.document(error.code, text, language, error.facts)
    return text.status, {
        **document,
        "type": _TYPE_OF_CODE[error.code],
        "violated-policies": error.decision.violated,
    }


def _is_told(policy: LimitPolicy) -> bool:
    return not (policy.shared or policy.shadow)


@lru_cache(maxsize=KEPT_MAX)
def _told(terms: Terms) -> tuple[int, ...]:
    return tuple(place for place, policy in enumerate(terms.policies) if _is_told(policy))


@lru_cache(maxsize=ITEMS_KEPT_MAX)
def _left_item(policy: LimitPolicy, left: int) -> str:
    """A limit that let a request pass: how long a client must make the rest last follows from the rest alone."""
    units = max(1, min(left, REMAINING_MAX))
    seconds = -(-units * policy.window_us // (policy.quota * SECOND_US))
    return f'"{policy.name}";r={min(left, REMAINING_MAX)};t={min(seconds, SECONDS_MAX)}'


@lru_cache(maxsize=ITEMS_KEPT_MAX)
def _wait_item(name: str, left: int, seconds: int) -> str:
    """A limit that refused."""
    return f'"{name}";r={min(left, REMAINING_MAX)};t={seconds}'


def _whole(seconds: float) -> int:
    """`t` of a limit that refused, or `Retry-After` before it is jittered."""
    return min(ceil(seconds) or 1, SECONDS_MAX)


def _policy_item(policy: LimitPolicy) -> str:
    quota, seconds = _in_whole_seconds(policy)
    burst = f";floodgate-burst={policy.burst}" if policy.burst != quota else ""
    return f'"{policy.name}";q={quota};w={seconds}{burst}'


def _in_whole_seconds(policy: LimitPolicy) -> tuple[int, int]:
    """Quota and window for a field that knows whole seconds only: exact where it can be, else less, never more."""
    windows = SECOND_US // gcd(policy.window_us, SECOND_US)
    if windows <= _WINDOWS_MAX:
        return policy.quota * windows, policy.window_us * windows // SECOND_US
    seconds = -(-policy.window_us // SECOND_US)
    return policy.quota * seconds * SECOND_US // policy.window_us, seconds
