"""Signed tokens with key ids: `<kid>.<payload>.<signature>`, base64url, HMAC-SHA-256, checked without I/O.

The purpose is part of what is signed, so a ticket can never pass as an admission. Several keys may be valid at once:
the first signs, all verify; that is how a key is rotated without sending anyone away.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from kit.errors import StartRefused
from kit.mac import Mac

TOKEN_CHARACTERS_MAX: Final = 1024  # ours are under 300; what is longer is not hashed at all
KEY_BYTES_MIN: Final = 32  # HMAC-SHA-256 wants a key as long as its output (RFC 2104, section 3)
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_PADDING: Final = (b"", b"===", b"==", b"=")


class TokenRefused(Exception):
    """The token is not one of ours. `reason` is for counters, never for the answer (no oracle)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id, the signing key first."""

    keys: Mapping[str, bytes]
    _macs: dict[tuple[bytes, str], Mac] = field(default_factory=dict, repr=False, compare=False)

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
        kid = next(iter(self.keys))
        mac = self._macs.get((kid.encode(), purpose)) or self._mac(kid.encode(), purpose)
        assert mac is not None
        body = b"%b.%b" % (kid.encode(), _encode(payload))
        return (b"%b.%b" % (body, _encode(mac.digest(body)))).decode()

    def verify(self, purpose: str, token: str) -> bytes:
        """The payload. Raises `TokenRefused` with reason malformed, unknown_key or bad_signature."""
        content = self.open(purpose, as_bytes(token))
        if isinstance(content, str):
            raise TokenRefused(content)
        return content

    def open(self, purpose: str, token: bytes) -> bytes | str:
        """The payload, or why there is none (as `verify` has it): a forgery is no exception at the door.

        Takes the bytes as they came: what a request costs here, everybody pays who is let in or refused.
        """
        if len(token) > TOKEN_CHARACTERS_MAX or token.count(b".") != 2:
            return "malformed"
        body, _, signature = token.rpartition(b".")
        kid, _, payload = body.partition(b".")
        mac = self._macs.get((kid, purpose)) or self._mac(kid, purpose)
        if mac is None:
            return "unknown_key"
        # Compared as text, which refuses the other spellings of the same bytes that base64 allows.
        if not compare_digest(_encode(mac.digest(body)), signature):
            return "bad_signature"
        try:
            return a2b_base64(payload.translate(_STANDARD) + _PADDING[len(payload) % 4])
        except (Base64Error, ValueError):
            return "malformed"

    def _mac(self, kid: bytes, purpose: str) -> Mac | None:
        """The codes of a key for a purpose, None where there is no such key. Both are ours, so there are few of them."""
        key = self.keys.get(kid.decode("latin-1"))
        if key is None:
            return None
        mac = self._macs[kid, purpose] = Mac(key, f"{purpose}.".encode())
        return mac


def as_bytes(token: str) -> bytes:
    """A token as the door would have read it. Whatever text it is has bytes; those of no token of ours are refused."""
    return token.encode("utf-8", "surrogatepass")


def _encode(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=")
