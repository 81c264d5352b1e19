"""What the provider says of a payment: by itself, in a notice, or when it is asked."""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from kit.provider import AmountMinor, Currency, PaymentNotice, ProviderUnknown

Kind = Literal["payment.succeeded", "payment.refused", "refund.succeeded"]

# A key that no provider can send (its event ids have no spaces): one word a payment and kind, however often we ask.
_EVENT_ID: Final = "asked {} {}"
_KINDS: Final[dict[str, Kind]] = {
    "succeeded": "payment.succeeded",
    "refused": "payment.refused",
    "refunded": "refund.succeeded",
}


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word of the provider; `event_id` is the key under which it counts once."""

    event_id: str
    kind: Kind
    payment_id: UUID
    amount_minor: int
    currency: str


class _Answer(msgspec.Struct, frozen=True):
    amount_minor: AmountMinor
    currency: Currency
    state: Literal["created", "succeeded", "refused", "refunded"]


def read_notice(notice: PaymentNotice) -> Word:
    return Word(
        event_id=notice.event_id,
        kind=notice.type,
        payment_id=notice.payment_id,
        amount_minor=notice.amount_minor,
        currency=notice.currency,
    )


def read_answer(payment_id: UUID, answer: dict[str, Any] | None) -> Word | None:
    """The word in the answer to a question, None if nobody has paid or the provider knows of no such payment.

    Raises `ProviderUnknown` for an answer that says neither.
    """
    if answer is None:
        return None
    try:
        told = msgspec.convert(answer, _Answer)
    except msgspec.ValidationError as error:
        raise ProviderUnknown("unreadable_answer") from error
    if told.state == "created":
        return None
    kind = _KINDS[told.state]
    return Word(
        event_id=_EVENT_ID.format(payment_id, kind),
        kind=kind,
        payment_id=payment_id,
        amount_minor=told.amount_minor,
        currency=told.currency,
    )
