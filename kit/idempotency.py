"""Same key, same answer; same key, other body, a clear refusal (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import re
from typing import Any, Final

import msgspec

from kit.errors import DomainError

KEY_CHARACTERS_MAX: Final = 64
_matches_key: Final = re.compile(r"[\x21-\x7e]{1,64}").fullmatch
_encoder = msgspec.json.Encoder(order="sorted")


class KeyMissing(DomainError):
    """The request must carry an Idempotency-Key."""

    code = "key_missing"


class KeyReused(DomainError):
    """The key was used before with another body."""

    code = "key_reused"


def parse_key(header: str | None) -> str:
    """The key of a request: 1 to 64 visible ASCII characters. Raises `KeyMissing`."""
    if header is None or _matches_key(header.strip()) is None:
        raise KeyMissing(characters_max=KEY_CHARACTERS_MAX)
    return header.strip()


def is_key(text: str) -> bool:
    """Whether `text` may be a key as it stands."""
    return _matches_key(text) is not None


def fingerprint(request: Any) -> bytes:
    """16 bytes that tell one request body from another, whatever the order of its fields."""
    return hashlib.blake2b(_encoder.encode(request), digest_size=16).digest()
