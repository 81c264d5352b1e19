"""What requests carry, by their exact form. Unknown fields are refused and nothing is converted."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Path
from pydantic import Field

from kit.idempotency import KEY_CHARACTERS_MAX
from kit.ids import SLUG_PATTERN, USER_ID_PATTERN
from kit.signing import TOKEN_CHARACTERS_MAX
from kit.web.strict import StrictModel

QUANTITY_MAX: Final = 10_000  # beyond any per-user limit; the room knows the real one
SKU_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
PHONE_PATTERN: Final = r"^\+?[0-9][0-9 -]{3,18}$"
IDEMPOTENCY_KEY_PATTERN: Final = rf"^[!-~]{{1,{KEY_CHARACTERS_MAX}}}$"

SaleId = Annotated[
    str, Path(pattern=SLUG_PATTERN, description="The sale", examples=["double11-2026-headphones"])
]
ReservationId = Annotated[UUID, Path(description="The reservation")]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=IDEMPOTENCY_KEY_PATTERN,
        description="Names this request: sent again with the same key it has one effect and one answer",
        examples=["9f1c2a7e-4a53-4c61-8f0a-0d1c5f6e7b21"],
    ),
]
Phone = Annotated[str, Field(pattern=PHONE_PATTERN, examples=["13800008000"])]


class AdmissionRequest(StrictModel):
    """A ticket whose turn has come."""

    ticket: Annotated[str, Field(min_length=1, max_length=TOKEN_CHARACTERS_MAX)]


class ReservationRequest(StrictModel):
    """What to hold. `phone` is kept with the reservation, for customer service."""

    sku: Annotated[str, Field(pattern=SKU_PATTERN, examples=["headphones-black"])]
    quantity: Annotated[int, Field(ge=1, le=QUANTITY_MAX, examples=[1])]
    phone: Phone | None = None


class SignInRequest(StrictModel):
    """Who wants to be whom; only where the process is its own issuer."""

    user_id: Annotated[str, Field(pattern=USER_ID_PATTERN, examples=["shopper-1"])]
    phone: Phone | None = None
