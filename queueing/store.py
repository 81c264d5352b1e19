"""The waiting room's Redis: its scripts, with every answer turned into a named outcome at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from redis.asyncio import Redis

from kit.lua import LuaCall, LuaScript, run_all
from queueing import keys
from queueing.rooms import AFTERGLOW, ROOMS_MAX, RoomFacts

RETENTION_SECONDS: Final = 7 * 86400  # places are shown to customer service for a week after closing
JOIN: Final = LuaScript.from_file("queueing", "join")
ADVANCE: Final = LuaScript.from_file("queueing", "advance")
LOAD: Final = LuaScript.from_file("queueing", "load")
RENEW: Final = LuaScript.from_file("queueing", "renew")
INSPECT: Final = LuaScript.from_file("queueing", "inspect")


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """again | first | over | not_loaded | behind | mark_reached (lua/join.lua)."""

    outcome: str
    position: int


@dataclass(frozen=True, slots=True)
class Advance:
    """advanced | stands | fenced | not_loaded (lua/advance.lua)."""

    outcome: str
    frontier: int
    issued: int


@dataclass(frozen=True, slots=True)
class HeldRoom:
    """What Redis holds of a room: absent | lapsed | held (lua/inspect.lua)."""

    outcome: str
    epoch: int = -1
    next: int = 0
    mark: int = 0
    frontier: int = 0
    rate_per_second: int = 0
    opens_ms: int = 0
    closes_ms: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class RoomLoad:
    """A room to be written under a new epoch."""

    sale_id: str
    epoch: int
    next: int
    mark: int
    frontier: int
    gaps: Sequence[tuple[int, int]]
    rate_per_second: int
    opens_at: datetime
    closes_at: datetime
    paused: bool


@dataclass(frozen=True, slots=True)
class RoomRenewal:
    """A longer lease for a loaded room, with the plan's present facts."""

    sale_id: str
    epoch: int
    mark: int
    rate_per_second: int
    opens_at: datetime
    closes_at: datetime
    paused: bool


def join_call(sale_id: str, user_ids: Sequence[str], seen: int) -> LuaCall:
    """The call that asks for one place for each user of one sale; asking again is harmless."""
    names: list[str] = [keys.room(sale_id)]
    arguments: list[str | bytes | int] = [seen, RETENTION_SECONDS]
    for user_id in user_ids:
        bucket, digest = keys.place(sale_id, user_id)
        names.append(bucket)
        arguments.append(digest)
    return LuaCall(JOIN, names, arguments)


def join_answers(answer: Any) -> list[JoinAnswer]:
    """The script's answers by name, in the order of the users."""
    return [JoinAnswer(answer[n].decode(), int(answer[n + 1])) for n in range(0, len(answer), 2)]


async def find_place(queue: Redis, sale_id: str, user_id: str) -> int | None:
    """The position of a user, if Redis remembers one. Raises redis errors."""
    bucket, digest = keys.place(sale_id, user_id)
    place = await queue.hget(bucket, digest)
    return None if place is None else int(place)


async def advance(queue: Redis, sale_ids: Sequence[str], fence: int, pace: float = 1.0) -> dict[str, Advance]:
    """One step of each frontier at a part of its rate, in one round trip. Raises redis errors."""
    arguments: list[str | bytes | int] = [fence, f"{pace:.3f}"]
    answers = await run_all(queue, [LuaCall(ADVANCE, [keys.room(s)], arguments) for s in sale_ids])
    return {s: Advance(a[0].decode(), int(a[1]), int(a[2])) for s, a in _answered(sale_ids, answers)}


async def inspect(queue: Redis, sale_ids: Sequence[str]) -> dict[str, HeldRoom]:
    """What Redis holds of each room, in one round trip. Raises redis errors."""
    answers = await run_all(queue, [LuaCall(INSPECT, [keys.room(s)], []) for s in sale_ids])
    return {s: _held(a) for s, a in _answered(sale_ids, answers)}


def _held(answer: list[Any]) -> HeldRoom:
    outcome = answer[0].decode()
    if outcome == "absent":
        return HeldRoom(outcome)
    epoch, following, mark, frontier, rate, opens_ms, closes_ms, paused = (int(n) for n in answer[1:])
    return HeldRoom(outcome, epoch, following, mark, frontier, rate, opens_ms, closes_ms, paused == 1)


async def room_ids(queue: Redis) -> list[str]:
    """The sales that have a room in Redis, the latest closing first, bounded. Raises redis errors."""
    members: Any = await queue.zrevrange(keys.ROOMS, 0, ROOMS_MAX - 1)
    return [member.decode() for member in members]


async def list_in_index(queue: Redis, rooms: Sequence[RoomFacts]) -> None:
    """Puts `rooms` on the list of rooms and takes those off that closed long ago. Raises redis errors."""
    if not rooms:
        return
    seconds, _ = await queue.time()
    pipeline = queue.pipeline(transaction=False)
    pipeline.zadd(keys.ROOMS, {room.sale_id: to_ms(room.closes_at) for room in rooms})
    pipeline.zremrangebyscore(keys.ROOMS, "-inf", (seconds - AFTERGLOW.total_seconds()) * 1000)
    await pipeline.execute()


async def load(queue: Redis, room: RoomLoad) -> str:
    """`loaded` or `newer`. Raises redis errors."""
    gaps = ",".join(f"{start}:{end}" for start, end in room.gaps)
    answer = await LOAD.run(
        queue,
        [keys.room(room.sale_id)],
        [room.epoch, room.next, room.mark, room.frontier, gaps, *_plan(room), RETENTION_SECONDS],
    )
    outcome: str = answer[0].decode()
    return outcome


async def renew(queue: Redis, rooms: Sequence[RoomRenewal]) -> None:
    """Longer leases, in one round trip; a room that was loaded anew meanwhile is left alone. Raises redis errors."""
    calls = [
        LuaCall(RENEW, [keys.room(r.sale_id)], [r.epoch, r.mark, *_plan(r), RETENTION_SECONDS]) for r in rooms
    ]
    _raise_first(await run_all(queue, calls))


def _plan(room: RoomLoad | RoomRenewal) -> list[int]:
    return [room.rate_per_second, to_ms(room.opens_at), to_ms(room.closes_at), int(room.paused)]


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds, as the scripts compare them."""
    return round(instant.timestamp() * 1000)


def _answered(sale_ids: Sequence[str], answers: list[Any]) -> list[tuple[str, list[Any]]]:
    _raise_first(answers)
    return list(zip(sale_ids, answers, strict=True))


def _raise_first(answers: list[Any]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
