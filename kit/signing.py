"""Signed tokens with key ids: `<kid>.<payload>.<signature>`, base64url, HMAC-SHA-256, checked without I/O.

The purpose is part of what is signed, so a ticket can never pass as an admission. Several keys may be valid at once:
the first signs, all verify; that is how a key is rotated without sending anyone away.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kit.errors import StartRefused

TOKEN_CHARACTERS_MAX: Final = 1024  # ours are under 300; what is longer is not hashed at all
KEY_BYTES_MIN: Final = 32  # HMAC-SHA-256 wants a key as long as its output (RFC 2104, section 3)


class TokenRefused(Exception):
    """The token is not one of ours. `reason` is for counters, never for the answer (no oracle)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id, the signing key first."""

    keys: Mapping[str, bytes]

    @classmethod
    def parse(cls, text: str, *, variable: str) -> "Keyring":
        """`kid:secret[,kid:secret…]`, secrets of at least 32 characters. Raises `StartRefused`."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            kid, separator, secret = part.partition(":")
            if not separator or not kid.isalnum() or len(secret) < KEY_BYTES_MIN:
                raise StartRefused(
                    f"{variable} must be kid:secret[,kid:secret], each secret of at least {KEY_BYTES_MIN} characters."
                )
            keys[kid] = secret.encode()
        if not keys:
            raise StartRefused(f"Set {variable} to kid:secret (`openssl rand -hex 32` makes a secret).")
        return cls(keys)

    def sign(self, purpose: str, payload: bytes) -> str:
        kid, key = next(iter(self.keys.items()))
        body = f"{kid}.{_encode(payload)}"
        return f"{body}.{_encode(_mac(key, purpose, body))}"

    def verify(self, purpose: str, token: str) -> bytes:
        """The payload. Raises `TokenRefused` with reason malformed, unknown_key or bad_signature."""
        if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii() or token.count(".") != 2:
            raise TokenRefused("malformed")
        kid, payload, signature = token.split(".")
        key = self.keys.get(kid)
        if key is None:
            raise TokenRefused("unknown_key")
        try:
            given, content = _decode(signature), _decode(payload)
        except (Base64Error, ValueError):
            raise TokenRefused("malformed") from None
        # Re-encoding refuses the other spellings of the same bytes that base64 allows.
        if _encode(given) != signature or not hmac.compare_digest(
            given, _mac(key, purpose, f"{kid}.{payload}")
        ):
            raise TokenRefused("bad_signature")
        return content


def _mac(key: bytes, purpose: str, body: str) -> bytes:
    return hmac.digest(key, f"{purpose}.{body}".encode(), hashlib.sha256)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
