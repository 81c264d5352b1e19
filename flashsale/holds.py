"""Ending holds that nobody paid for: released by the user, or expired. Each hold ends once."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import func, select, update

from flashsale import metrics, models, statements
from flashsale.errors import HoldEnded, ReservationUnknown
from flashsale.facts import Reservation
from flashsale.ledger import return_units
from flashsale.lifecycle import step
from flashsale.readings import get_reservation
from flashsale.rules import BucketName
from flashsale.states import Effect, Event, Hold, State
from flashsale.stock import EndedHold, give_back
from kit.doorbell import ring_user
from kit.postgres import WriteSession

_row = models.Reservation
BY_DEADLINE: Final = step(State(Hold.HELD), Event.DEADLINE)


async def release_hold(
    session: WriteSession, stock: Redis, bells: Redis, reservation_id: UUID, user_id: str
) -> Reservation:
    """Ends the user's hold at their wish; again, it says the same. Raises `ReservationUnknown`, `HoldEnded`."""
    locked = await session.execute(
        select(_row.state, _row.bucket)
        .where(_row.reservation_id == reservation_id, _row.user_id == user_id)
        .with_for_update()
    )
    found = locked.one_or_none()
    if found is None:
        raise ReservationUnknown(reservation_id=str(reservation_id))
    state, bucket = found
    hold = Hold(state)
    led = step(State(hold, bought=hold is Hold.CONFIRMED), Event.RELEASED)
    if led.outcome == "hold_ended":
        raise HoldEnded(state=state)
    if led.state.hold is not hold:
        await session.execute(
            update(_row)
            .where(_row.reservation_id == reservation_id)
            .values(state=led.state.hold.value, end_reason=led.reason, ended_at=func.now())
        )
    released = await get_reservation(session, reservation_id, user_id)
    if Effect.RETURN_UNITS in led.effects:
        name = (released.sale_id, released.sku, bucket)
        await _return([(name, user_id, released.quantity)], session, stock)
        session.after_commit(lambda: _tell(bells, [user_id], "released"))
    return released


async def expire_holds(session: WriteSession, stock: Redis, *, batch_max: int) -> int:
    """Ends up to `batch_max` holds whose deadline has passed by PostgreSQL's clock; how many.

    The statement takes the step `BY_DEADLINE` for a heap of holds at once; a test keeps the two together.
    """
    rows = await session.rows(statements.EXPIRE_DUE, {"batch_max": batch_max})
    if rows:
        ended = [((sale_id, sku, bucket), user_id, units) for _, sale_id, sku, bucket, user_id, units in rows]
        await _return(ended, session, stock)
        session.after_commit(lambda: _count(BY_DEADLINE.state.hold, len(rows)))
    return len(rows)


async def _return(ended: Sequence[tuple[BucketName, str, int]], session: WriteSession, stock: Redis) -> None:
    """Units back to the ledger now, and to Redis once that is durable."""
    epochs = await return_units(session, ((name, units) for name, _, units in ended))
    returned = [
        EndedHold(*name, user_id, units, epochs[name]) for name, user_id, units in ended if name in epochs
    ]
    session.after_commit(lambda: give_back(stock, returned))


async def _tell(bells: Redis, user_ids: Sequence[str], state: str) -> None:
    await _count(state, len(user_ids))
    for user_id in user_ids:
        await ring_user(bells, user_id)


async def _count(state: str, holds: int) -> None:
    metrics.HOLDS_ENDED.labels(state=state).inc(holds)
