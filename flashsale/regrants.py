"""Late money: units for it, if there are any, in the place of the hold that has ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from flashsale import models
from flashsale.ledger import take_units
from flashsale.loans import lock_with_loans
from flashsale.rules import ItemState, LateVerdict, late_payment
from flashsale.states import Event
from flashsale.stock import Settlement
from kit.ids import new_id
from kit.postgres import WriteSession

# A key that no client can send (keys have no spaces), so that a re-grant never meets one.
REGRANT_KEY: Final = "regrant {}"

_reservation = models.Reservation
_FOUND: Final[Mapping[LateVerdict, Event]] = {
    "regrant": Event.UNITS_FOUND,
    "sold_out": Event.SOLD_OUT,
    "limit_reached": Event.LIMIT_REACHED,
}


@dataclass(frozen=True, slots=True)
class Sought:
    """What was found for late money, true until the transaction ends: it holds the bucket."""

    event: Event
    item: ItemState


async def seek_units(session: WriteSession, ended: models.Reservation) -> Sought:
    """Whether the units of an ended hold can be had again, within the stock and its user's limit."""
    name = (ended.sale_id, ended.sku, ended.bucket)
    item = await lock_with_loans(session, name, ended.quantity)
    owned = await session.scalar(
        select(func.coalesce(func.sum(_reservation.quantity), 0)).where(
            _reservation.sale_id == ended.sale_id,
            _reservation.sku == ended.sku,
            _reservation.user_id == ended.user_id,
            _reservation.state.in_(("held", "confirmed")),
        )
    )
    return Sought(_FOUND[late_payment(ended.quantity, item=item, owned=int(owned or 0))], item)


async def regrant(
    session: WriteSession, ended: models.Reservation, item: ItemState
) -> tuple[models.Reservation, Settlement]:
    """A confirmed reservation in the place of an ended one, its units taken; and what Redis must be told of it."""
    name = (ended.sale_id, ended.sku, ended.bucket)
    await take_units(session, [(name, ended.quantity)])
    row = _reborn(ended, item.epoch)
    session.add(row)
    return row, Settlement(
        name,
        f"regrant-{ended.reservation_id}",
        row.reservation_id,
        ended.user_id,
        ended.quantity,
        item.epoch,
    )


def _reborn(ended: models.Reservation, epoch: int) -> models.Reservation:
    now = func.now()
    return models.Reservation(
        reservation_id=new_id(),
        sale_id=ended.sale_id,
        sku=ended.sku,
        bucket=ended.bucket,
        user_id=ended.user_id,
        quantity=ended.quantity,
        amount_minor=ended.amount_minor,
        currency=ended.currency,
        state="confirmed",
        end_reason="late_payment",
        held_at=now,
        expires_at=now,
        ended_at=now,
        idempotency_key=REGRANT_KEY.format(ended.reservation_id),
        request_fingerprint=ended.request_fingerprint,
        admission_id=ended.admission_id,
        admission_position=ended.admission_position,
        epoch=epoch,
        phone=ended.phone,
        regrant_of=ended.reservation_id,
    )
