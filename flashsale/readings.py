"""Reservations and payments as they stand in PostgreSQL, for whoever may see them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Result, Select, select
from sqlalchemy.orm import aliased

from flashsale import models
from flashsale.errors import ReservationUnknown
from flashsale.facts import PaymentFacts, Reservation
from kit.postgres import ReadSession

_regrant = aliased(models.Reservation)
_row = models.Reservation


def select_reservations() -> Select[*tuple[Any, ...]]:
    """The columns of `Reservation`, in its order, the re-grant of each joined in."""
    columns = (
        _row.reservation_id,
        _row.sale_id,
        _row.sku,
        _row.user_id,
        _row.quantity,
        _row.amount_minor,
        _row.currency,
        _row.state,
        _row.end_reason,
        _row.held_at,
        _row.expires_at,
        _row.ended_at,
        _row.regrant_of,
        _regrant.reservation_id,
        _row.phone,
    )
    return select(*columns).outerjoin(_regrant, _regrant.regrant_of == _row.reservation_id)


async def get_reservation(session: ReadSession, reservation_id: UUID, user_id: str | None) -> Reservation:
    """The reservation; with a `user_id`, only if it is theirs. Raises `ReservationUnknown`, also when foreign."""
    wanted = select_reservations().where(_row.reservation_id == reservation_id)
    if user_id is not None:
        wanted = wanted.where(_row.user_id == user_id)
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise ReservationUnknown(reservation_id=str(reservation_id))
    return Reservation(*row)


async def list_reservations(session: ReadSession, user_id: str, *, limit: int = 100) -> list[Reservation]:
    """The newest `limit` reservations of a user, newest first."""
    found = await session.execute(
        select_reservations()
        .where(_row.user_id == user_id)
        .order_by(_row.held_at.desc(), _row.reservation_id.desc())
        .limit(limit)
    )
    return [Reservation(*row) for row in found]


async def list_payments(session: ReadSession, user_id: str, *, limit: int = 100) -> list[PaymentFacts]:
    """The newest `limit` payments of a user, newest first."""
    row = models.Payment
    found: Result[*tuple[Any, ...]] = await session.execute(
        select(
            row.payment_id,
            row.reservation_id,
            row.amount_minor,
            row.currency,
            row.state,
            row.reason,
            row.serves,
            row.created_at,
            row.paid_at,
            row.refunded_at,
        )
        .where(row.user_id == user_id)
        .order_by(row.created_at.desc(), row.payment_id.desc())
        .limit(limit)
    )
    return [PaymentFacts(*each) for each in found]
