"""Policies as an operator writes them in a setting: `user=20/1s burst 40, item=3/7s shared, address=100/1m shadow`."""

import re
from typing import Final

from queueing.limits.policy import DAY_US, HOUR_US, MINUTE_US, SECOND_US, LimitPolicy

_UNITS_US: Final = {
    "us": 1, "ms": SECOND_US // 1000, "s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US,
}  # fmt: skip
_POLICY: Final = re.compile(
    r"\s*(?P<name>[a-z][a-z0-9-]*)\s*=\s*(?P<quota>\d{1,15})\s*/\s*(?P<window>\d{1,15})(?P<unit>us|ms|s|m|h|d)"
    r"(?:\s+burst\s+(?P<burst>\d{1,15}))?(?P<shared>\s+shared)?(?P<shadow>\s+shadow)?\s*"
)


def parse_policies(text: str) -> dict[str, LimitPolicy]:
    """The policies by name, in the order written. Raises `ValueError`, naming the part that cannot be meant."""
    policies: dict[str, LimitPolicy] = {}
    for part in filter(str.strip, text.split(",")):
        policy = _parse(part)
        if policy.name in policies:
            raise ValueError(f"{policy.name}: this limit is written twice")
        policies[policy.name] = policy
    return policies


def _parse(part: str) -> LimitPolicy:
    match = _POLICY.fullmatch(part)
    if match is None:
        raise ValueError(
            f"{part.strip()!r} is no limit: write name=quota/window, as in user=20/1s, "
            "then, where wanted, burst N, shared, shadow in this order"
        )
    return LimitPolicy(
        match["name"],
        int(match["quota"]),
        int(match["window"]) * _UNITS_US[match["unit"]],
        int(match["burst"] or 0),
        shadow=match["shadow"] is not None,
        shared=match["shared"] is not None,
    )
