"""Admissions: the signed, time-limited right to buy, bound to a user and a sale, checked without any I/O."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from kit.ids import uuid_of
from kit.signing import Keyring
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
    facts = read_admission(keyring, token, now)
    if isinstance(facts, str):
        raise AdmissionInvalid(facts)
    return facts


def read_admission(keyring: Keyring, token: str, now: datetime) -> AdmissionFacts | str:
    """The facts of `token`, or the reason why it gives no right to buy."""
    content = keyring.open(PURPOSE, token)
    if isinstance(content, str):
        return content
    try:
        payload = _decoder.decode(content)
        admission_id = uuid_of(payload.admission_id)
    except (msgspec.DecodeError, ValueError):
        return "malformed"
    if now.timestamp() >= payload.expires_at:
        return "expired"
    return AdmissionFacts(
        sale_id=payload.sale_id,
        user_id=payload.user_id,
        admission_id=admission_id,
        position=payload.position,
        expires_at=datetime.fromtimestamp(payload.expires_at, UTC),
    )
