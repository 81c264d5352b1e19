"""The keeper's duties for the waiting rooms: step the frontier, lease positions, load what Redis has lost.

The rule that makes positions unique: Redis gives none at or above its `mark`, that mark is committed in PostgreSQL
before Redis learns it, and whatever Redis has lost, counting goes on from the committed mark.
"""

from collections.abc import Sequence
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select, update

from kit.postgres import Postgres, WriteSession
from kit.redis import is_away
from queueing import metrics, store
from queueing.errors import QueueUnavailable
from queueing.models import Room
from queueing.rooms import RoomFacts, facts_of, list_rooms
from queueing.rules import gaps_after_loss
from queueing.store import Advance, HeldRoom, RoomLoad, RoomRenewal

log = structlog.get_logger()

# How many positions may be given while PostgreSQL is away: minutes of joining at full speed. A lost Redis leaves a
# gap of that size, which the frontier leaps in one step.
LEASE_POSITIONS: Final = 100_000


async def advance(
    queue: Redis, sale_ids: Sequence[str], fence: int, *, pace: float = 1.0
) -> dict[str, Advance]:
    """One step of every frontier, at the part `pace` (0 to 1) of its rate. Raises `QueueUnavailable`.

    `fence` is the number of the leader's term: a step of an earlier leader is refused (`fenced`). How fast they move
    does not depend on how often or by how many keepers this is called.
    """
    try:
        steps = await store.advance(queue, sale_ids, fence, pace)
    except (RedisError, OSError) as error:
        raise _unavailable(error) from error
    metrics.waiting.set(sum(max(0, step.issued - step.frontier) for step in steps.values()))
    return steps


async def load_rooms(postgres: Postgres, queue: Redis) -> list[str]:
    """Brings Redis in line with PostgreSQL; the sales whose rooms it holds afterwards. At start and once a second.

    Loads rooms that are new, lost, of an earlier server process or gone back in time, and tells the others their
    plan. Raises `Unavailable` (PostgreSQL), `QueueUnavailable`.
    """
    async with postgres.read() as session:
        rooms = await list_rooms(session)
    try:
        held = await store.inspect(queue, [room.sale_id for room in rooms])
        for room in rooms:
            reason = loss(room, held[room.sale_id])
            if reason is not None:
                await _load(postgres, queue, room.sale_id, reason)
        await store.renew(
            queue, [_renewal(r, r.position_mark) for r in rooms if _plan_differs(r, held[r.sale_id])]
        )
        await store.list_in_index(queue, rooms)
    except (RedisError, OSError) as error:
        raise _unavailable(error) from error
    return [room.sale_id for room in rooms]


async def persist_marks(session: WriteSession, queue: Redis) -> int:
    """Makes positions and frontiers durable, and leases further once that is committed; the rooms that moved.

    Raises `QueueUnavailable`. The lease reaches Redis after the commit: a crash in between leaves a mark in PostgreSQL
    that is higher than needed, which costs nothing.
    """
    rooms = await list_rooms(session)
    try:
        held = await store.inspect(queue, [room.sale_id for room in rooms])
    except (RedisError, OSError) as error:
        raise _unavailable(error) from error
    moved = [room for room in rooms if _has_moved(room, held[room.sale_id])]
    marks = {room.sale_id: await _persist(session, room, held[room.sale_id]) for room in moved}
    renewals = [_renewal(room, mark) for room in moved if (mark := marks[room.sale_id]) is not None]

    async def lease() -> None:
        await store.renew(queue, renewals)

    if renewals:
        session.after_commit(lease)
    return len(moved)


def loss(room: RoomFacts, held: HeldRoom) -> str | None:
    """Why a room must be loaded, if it must: absent, lapsed, another_epoch or behind."""
    if held.outcome != "held":
        return held.outcome
    if held.epoch != room.epoch:
        return "another_epoch"
    return "behind" if held.next < room.issued else None


async def _load(postgres: Postgres, queue: Redis, sale_id: str, reason: str) -> None:
    async with postgres.unit_of_work() as session:
        row = (
            await session.execute(select(Room).where(Room.sale_id == sale_id).with_for_update())
        ).scalar_one()
        # Looked at again under the row's lock: another keeper may have loaded it meanwhile.
        held = (await store.inspect(queue, [sale_id]))[sale_id]
        if loss(facts_of(row), held) is None:
            return
        start = max(row.position_mark, held.next)
        known = max(row.issued, held.next if held.epoch == row.epoch else 0)
        row.gaps = gaps_after_loss(row.gaps, known, start, row.frontier)
        row.frontier = max(row.frontier, held.frontier)
        row.epoch = max(row.epoch, held.epoch) + 1
        row.issued = start
        row.position_mark = start + LEASE_POSITIONS
        load = RoomLoad(
            sale_id=sale_id,
            epoch=row.epoch,
            next=start,
            mark=row.position_mark,
            frontier=row.frontier,
            gaps=[(gap[0], gap[1]) for gap in row.gaps],
            rate_per_second=row.rate_per_second,
            opens_at=row.opens_at,
            closes_at=row.closes_at,
            paused=row.paused,
        )
    outcome = await store.load(queue, load)
    metrics.room_loads.labels(reason).inc()
    log.info(
        "room_loaded", sale_id=sale_id, reason=reason, outcome=outcome, epoch=load.epoch, start=load.next
    )


async def _persist(session: WriteSession, room: RoomFacts, held: HeldRoom) -> int | None:
    """The committed mark, or None: another keeper has loaded the room anew, and a lease from before would overlap."""
    return await session.scalar(
        update(Room)
        .where(Room.sale_id == room.sale_id, Room.epoch == held.epoch)
        .values(
            issued=func.greatest(Room.issued, held.next),
            frontier=func.greatest(Room.frontier, held.frontier),
            position_mark=func.greatest(Room.position_mark, held.next + LEASE_POSITIONS),
            updated_at=func.now(),
        )
        .returning(Room.position_mark)
    )


def _has_moved(room: RoomFacts, held: HeldRoom) -> bool:
    if loss(room, held) is not None:
        return False
    return held.next > room.issued or held.frontier > room.frontier or held.mark < room.position_mark


def _plan_differs(room: RoomFacts, held: HeldRoom) -> bool:
    return loss(room, held) is None and (
        room.rate_per_second,
        store.to_ms(room.opens_at),
        store.to_ms(room.closes_at),
        room.paused,
    ) != (held.rate_per_second, held.opens_ms, held.closes_ms, held.paused)


def _renewal(room: RoomFacts, mark: int) -> RoomRenewal:
    return RoomRenewal(
        sale_id=room.sale_id,
        epoch=room.epoch,
        mark=mark,
        rate_per_second=room.rate_per_second,
        opens_at=room.opens_at,
        closes_at=room.closes_at,
        paused=room.paused,
    )


def _unavailable(error: Exception) -> Exception:
    return QueueUnavailable() if is_away(error) else error
