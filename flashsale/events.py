"""What flashsale tells the other rooms: events in the past tense, carrying ids and integers. Rewards sees this, alone."""

from typing import Any, Final
from uuid import UUID

import msgspec

from flashsale.models import outbox

SOURCE: Final = "flashsale"
__all__ = ["RESERVATION_CONFIRMED", "SOURCE", "ReservationConfirmed", "outbox"]

RESERVATION_CONFIRMED: Final = "reservation_confirmed"


class ReservationConfirmed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reservation was paid for. One event a reservation, in the transaction that confirmed it."""

    reservation_id: UUID
    sale_id: str
    sku: str
    user_id: str
    quantity: int
    amount_minor: int
    currency: str

    def payload(self) -> dict[str, Any]:
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result

    @classmethod
    def parse(cls, payload: dict[str, Any]) -> "ReservationConfirmed":
        return msgspec.convert(payload, cls)
