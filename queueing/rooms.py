"""Waiting rooms as PostgreSQL remembers them: the plan of each, and what must outlive a loss of Redis."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from kit.postgres import ReadSession, WriteSession
from queueing.models import Room

ROOMS_MAX: Final = (
    500  # rooms looked after at once; far above a busy week, and one round trip of a few hundred kB
)
AFTERGLOW: Final = timedelta(days=1)  # a closed room stays visible for so long: people come back to look


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What a sale file says about the waiting room: its window, and how many may enter a second."""

    sale_id: str
    opens_at: datetime
    closes_at: datetime
    rate_per_second: int


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """A room as committed."""

    sale_id: str
    opens_at: datetime
    closes_at: datetime
    rate_per_second: int
    paused: bool
    frontier: int
    issued: int
    position_mark: int
    epoch: int


async def open_room(session: WriteSession, plan: RoomPlan) -> None:
    """Makes the room of a sale, or changes its window and rate; the keeper carries it to Redis within seconds."""
    planned = {
        "opens_at": plan.opens_at,
        "closes_at": plan.closes_at,
        "rate_per_second": plan.rate_per_second,
    }
    await session.execute(
        insert(Room)
        .values(sale_id=plan.sale_id, **planned)
        .on_conflict_do_update(index_elements=[Room.sale_id], set_={**planned, "updated_at": func.now()})
    )


async def list_rooms(session: ReadSession) -> list[RoomFacts]:
    """The rooms that are open, to come, or closed for less than a day; the latest closing first, bounded."""
    rows = await session.scalars(
        select(Room)
        .where(Room.closes_at > func.now() - AFTERGLOW)
        .order_by(Room.closes_at.desc(), Room.sale_id)
        .limit(ROOMS_MAX)
    )
    return [facts_of(row) for row in rows]


def facts_of(row: Room) -> RoomFacts:
    """The row as a plain fact."""
    return RoomFacts(
        sale_id=row.sale_id,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        rate_per_second=row.rate_per_second,
        paused=row.paused,
        frontier=row.frontier,
        issued=row.issued,
        position_mark=row.position_mark,
        epoch=row.epoch,
    )
