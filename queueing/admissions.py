"""Admissions: the signed, time-limited right to buy, bound to a user and a sale, checked without any I/O."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from kit.signing import Keyring, TokenRefused
from queueing.errors import AdmissionInvalid

PURPOSE: Final = "admission"


class AdmissionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified admission says; plain facts that the gateway hands on."""

    sale_id: str
    user_id: str
    admission_id: UUID
    position: int
    expires_at: datetime


class _Payload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    sale_id: str
    user_id: str
    admission_id: bytes
    position: int
    expires_at: int  # epoch seconds: the shortest exact form


_decoder = msgspec.msgpack.Decoder(_Payload)


def sign_admission(keyring: Keyring, facts: AdmissionFacts) -> str:
    """The admission as a token; it expires at a whole second."""
    payload = _Payload(
        facts.sale_id,
        facts.user_id,
        facts.admission_id.bytes,
        facts.position,
        int(facts.expires_at.timestamp()),
    )
    return keyring.sign(PURPOSE, msgspec.msgpack.encode(payload))


def open_admission(keyring: Keyring, token: str, now: datetime) -> AdmissionFacts:
    """The facts of `token`. Raises `AdmissionInvalid` with malformed, unknown_key, bad_signature or expired."""
    try:
        payload = _decoder.decode(keyring.verify(PURPOSE, token))
        admission_id = UUID(bytes=payload.admission_id)
    except TokenRefused as error:
        raise AdmissionInvalid(error.reason) from None
    except (msgspec.DecodeError, ValueError):
        raise AdmissionInvalid("malformed") from None
    if now.timestamp() >= payload.expires_at:
        raise AdmissionInvalid("expired")
    return AdmissionFacts(
        sale_id=payload.sale_id,
        user_id=payload.user_id,
        admission_id=admission_id,
        position=payload.position,
        expires_at=datetime.fromtimestamp(payload.expires_at, UTC),
    )
