"""What the hot routes take, typed: the same fields and bounds as `gateway.requests`, decoded in under a microsecond.

A body that does not decode here is not refused here: the app reads it again and says what is wrong with each field, so
there is one place for those words. The lane must only never take what the app would refuse.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from gateway.requests import IDEMPOTENCY_KEY_PATTERN, PHONE_PATTERN, QUANTITY_MAX, SKU_PATTERN
from kit.signing import TOKEN_CHARACTERS_MAX


def whole(pattern: str) -> str:
    """The pattern for Python's `re`, whose `$` also matches before a last newline."""
    return pattern.removesuffix("$") + r"\Z"


class AdmissionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`gateway.requests.AdmissionRequest`."""

    ticket: Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARACTERS_MAX)]


class ReservationWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`gateway.requests.ReservationRequest`."""

    sku: Annotated[str, Meta(pattern=whole(SKU_PATTERN))]
    quantity: Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
    phone: Annotated[str, Meta(pattern=whole(PHONE_PATTERN))] | None = None


Wish = TypeVar("Wish", AdmissionWish, ReservationWish)

_ADMISSION: Final = msgspec.json.Decoder(AdmissionWish)
_RESERVATION: Final = msgspec.json.Decoder(ReservationWish)
KNOWN_MAX: Final = 4096  # a few items and spellings; bodies that carry a phone are their shopper's alone
_known: Final[dict[bytes, ReservationWish]] = {}
_KEY: Final = re.compile(whole(IDEMPOTENCY_KEY_PATTERN).encode())


def read_admission(fields: dict[bytes, bytes], body: bytes) -> AdmissionWish | None:
    """The typed body; None for whatever the app must look at."""
    return _decoded(_ADMISSION, body) if _is_json(fields) else None


def read_reservation(fields: dict[bytes, bytes], body: bytes) -> ReservationWish | None:
    """The typed body; None for whatever the app must look at. Thousands wish for the same thing in the same words."""
    if not _is_json(fields):
        return None
    known = _known.get(body)
    if known is not None:
        return known
    wish = _decoded(_RESERVATION, body)
    if wish is not None and wish.phone is None and len(_known) < KNOWN_MAX:
        _known[body] = wish
    return wish


def read_key(fields: dict[bytes, bytes]) -> str | None:
    """The idempotency key; None where there is none of the right form."""
    key = fields.get(b"idempotency-key")
    return key.decode() if key is not None and _KEY.match(key) else None


def read_bearer(fields: dict[bytes, bytes]) -> bytes | None:
    """The bearer token; None where there is none."""
    value = fields.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(b" ")
    if scheme != b"Bearer" and scheme.lower() != b"bearer":
        return None
    return token.strip() or None


def _decoded(decoder: "msgspec.json.Decoder[Wish]", body: bytes) -> Wish | None:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_json(fields: dict[bytes, bytes]) -> bool:
    declared = fields.get(b"content-type")
    return declared == b"application/json" or (
        declared is not None and declared.split(b";", 1)[0].strip().lower() == b"application/json"
    )
