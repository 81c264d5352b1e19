"""Tokens as their issuers would make them: the shop's JWTs, the waiting room's tickets and admissions.

Written against the documented form `<kid>.<payload>.<signature>` (base64url, HMAC-SHA-256 over `<purpose>.<kid>.<payload>`,
a payload of MessagePack arrays), so that a bench that agrees with the gateway also shows that the document is right.
"""

import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Final

import jwt
import msgspec

KID: Final = "bench"
AUDIENCE: Final = "floodgate"
LIFETIME_SECONDS: Final = 4 * 3600  # longer than any run
NEVER_THEIR_TURN: Final = 10**12  # a position that no frontier reaches
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_encoder: Final = msgspec.msgpack.Encoder()


def base64url(raw: bytes) -> bytes:
    """Without padding, as RFC 7515 writes it."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=")


@dataclass(frozen=True, slots=True)
class Mint:
    """Signs for users that nobody else has."""

    queueing_secret: str
    identity_secret: str
    expires_at: int = field(default_factory=lambda: int(time.time()) + LIFETIME_SECONDS)

    def environment(self) -> dict[str, str]:
        """The variables by which a gateway accepts what is signed here."""
        return {
            "IDENTITY_KEYS": f"{KID}:{self.identity_secret}",
            "QUEUEING_KEYS": f"{KID}:{self.queueing_secret}",
            "IDENTITY_AUDIENCE": AUDIENCE,
        }

    def user_token(self, user_id: str) -> bytes:
        claims = {"sub": user_id, "aud": AUDIENCE, "iat": int(time.time()) - 1, "exp": self.expires_at}
        return jwt.encode(claims, self.identity_secret, algorithm="HS256", headers={"kid": KID}).encode()

    def ticket(self, sale_id: str, user_id: str, position: int) -> bytes:
        return self._sign(b"ticket", _encoder.encode((sale_id, user_id, position)))

    def admission(self, sale_id: str, user_id: str, number: int) -> bytes:
        """An admission whose id is `number`."""
        payload = (sale_id, user_id, number.to_bytes(16, "big"), number, self.expires_at)
        return self._sign(b"admission", _encoder.encode(payload))

    def plain_admission(self, sale_id: str, user_id: str) -> bytes:
        """The same facts in JSON, for a server that has no MessagePack at hand."""
        payload = {"sale": sale_id, "user": user_id, "exp": self.expires_at}
        return self._sign(b"admission", msgspec.json.encode(payload))

    def _sign(self, purpose: bytes, payload: bytes) -> bytes:
        body = KID.encode() + b"." + base64url(payload)
        mac = hmac.digest(self.queueing_secret.encode(), purpose + b"." + body, hashlib.sha256)
        return body + b"." + base64url(mac)


def forged(token: bytes) -> bytes:
    """The same token with another signature of the right form."""
    body, _, _ = token.rpartition(b".")
    return body + b"." + base64url(bytes(32))
