"""Redis keys of the limits (role `limits`). One hash tag a scope: all that one request is checked against is in one slot.

A scope is a sale's id for what concerns a sale. What concerns none has a scope with a name of its own (`sign-in`): the
limits of one request must lie in one slot to be checked all or nothing, so a limit counts within its scope. A limit
that must span scopes is a request of its own, refunded if the other refuses.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

PLAIN_CHARACTERS_MAX: Final = 40  # an IPv6 address in full, a UUID; what is longer is kept as its digest
_PLAIN_SCOPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

# The processes that serve limits. Type: sorted set of process ids by the instant of their lapse in ms, Redis time.
# TTL: the lapse of the last. Owner: queueing.limits.lease.
PROCESSES: Final = "l:{processes}"


def prefix(scope: str) -> str:
    """What all buckets of a scope begin with, its hash tag included. Never an empty tag: that would be no tag."""
    tag = scope if _PLAIN_SCOPE.fullmatch(scope) else f"#{_digest(scope)}"
    return f"l:{{{tag}}}:"


@lru_cache(maxsize=4096)
def _stems(scope: str, policy: str) -> tuple[str, str]:
    """What the buckets of one policy in a scope begin with, before a key and before a digest of one."""
    return f"{prefix(scope)}{policy}=", f"{prefix(scope)}{policy}#"


def buckets(scope: str, policy: str, keys: Iterable[str]) -> list[str]:
    """A bucket a key. Type: string, one integer (lua/decide.lua). TTL: until it is full. Owner: queueing.limits.

    Keys from outside are of bounded length here and always encodable; `=` and `#` tell a key from a digest of one.
    """
    plain, digested = _stems(scope, policy)
    return [
        plain + key if len(key) <= PLAIN_CHARACTERS_MAX and key.isascii() else digested + _digest(key)
        for key in keys
    ]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
