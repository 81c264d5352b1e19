"""Admissions: the signed, time-limited right to buy, bound to a user and a sale, checked without any I/O."""

from typing import Annotated, Final

import msgspec

from kit.signing import Keyring, as_bytes
from queueing.errors import AdmissionInvalid

PURPOSE: Final = "admission"
ID_BYTES: Final = 16


class AdmissionFacts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a verified admission says; plain facts that the gateway hands on, in the form in which they are signed."""

    sale_id: str
    user_id: str
    admission_id: Annotated[bytes, msgspec.Meta(min_length=ID_BYTES, max_length=ID_BYTES)]  # a UUID's
    position: int
    expires_at: int  # epoch seconds: the shortest exact form


_decoder = msgspec.msgpack.Decoder(AdmissionFacts)


def sign_admission(keyring: Keyring, facts: AdmissionFacts) -> str:
    """The admission as a token."""
    return keyring.sign(PURPOSE, msgspec.msgpack.encode(facts))


def read_admission(keyring: Keyring, token: bytes, now_seconds: float) -> AdmissionFacts | str:
    """The facts of `token`, or the reason why it gives no right to buy: malformed, unknown_key, bad_signature, expired."""
    content = keyring.open(PURPOSE, token)
    if isinstance(content, str):
        return content
    try:
        facts = _decoder.decode(content)
    except msgspec.DecodeError:
        return "malformed"
    return facts if now_seconds < facts.expires_at else "expired"


def open_admission(keyring: Keyring, token: str, now_seconds: float) -> AdmissionFacts:
    """Like `read_admission`. Raises `AdmissionInvalid` with the reason."""
    facts = read_admission(keyring, as_bytes(token), now_seconds)
    if isinstance(facts, str):
        raise AdmissionInvalid(facts)
    return facts
