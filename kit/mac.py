"""HMAC-SHA-256 with the key's two blocks hashed once (RFC 2104, section 4).

Every refusal without I/O costs at least one of these: prepared 0.6 µs, with `hmac.digest` 2.3 µs (OpenSSL looks the
algorithm up and hashes the key anew each time).
"""

import hashlib
from typing import Final

BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """The codes of one key for messages that begin with `prefix`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, prefix: bytes = b"") -> None:
        if len(key) > BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        block = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER) + prefix)
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The code of `prefix + message`."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
