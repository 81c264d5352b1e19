"""User tokens at the door: those that were verified a moment ago are known by their bytes.

Verifying a JSON Web Token costs 6 µs with a shared key and 50 and more with a public one; a shopper shows the same one
for hours, at every poll and every try. A known token is found in 0.1 µs. Its end is looked at each time; a key that was
withdrawn is noticed within `TRUST_SECONDS`, when the token is verified again.
"""

from typing import Final

from gateway.lane.bodies import read_bearer
from kit.identity import Identities, Identity
from kit.signing import TokenRefused

KNOWN_MAX: Final = 16_384  # some 10 MB; who falls out is verified again
TRUST_SECONDS: Final = 30.0


class UserTokens:
    """The tokens that one process knows, the longest known first."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._known: dict[bytes, tuple[Identity, float]] = {}

    def find(self, fields: dict[bytes, bytes], now_seconds: float) -> Identity | str:
        """Who is asking, or why that is not known: `missing`, or the reason of `TokenRefused`.

        Raises `Unavailable` while the issuer's keys are not here.
        """
        header = fields.get(b"authorization", b"")
        known = self._known.get(header)
        if known is not None:
            if now_seconds < known[1]:
                return known[0]
            del self._known[header]
        token = read_bearer(fields)
        if token is None:
            return "missing"
        try:
            verified = self._identities.verify(token.decode("latin-1"))
        except TokenRefused as refused:
            return refused.reason
        if len(self._known) >= KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[header] = (verified, min(verified.expires_at, now_seconds + TRUST_SECONDS))
        return verified
