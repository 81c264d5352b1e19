"""The prepared code is the standard library's."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from kit.mac import Mac


@given(key=st.binary(max_size=200), prefix=st.binary(max_size=80), message=st.binary(max_size=300))
def test_a_prepared_code_is_the_plain_one(key: bytes, prefix: bytes, message: bytes) -> None:
    mac = Mac(key, prefix)
    for _ in range(2):  # and what was computed leaves nothing behind
        assert mac.digest(message) == hmac.digest(key, prefix + message, hashlib.sha256)
