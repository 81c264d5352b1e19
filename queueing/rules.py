"""Pure rules of the waiting room: what state it is in, when to ask again, what the public document says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from kit.clock import rfc3339

RoomState = Literal["scheduled", "prequeue", "open", "paused", "sold_out", "ended"]

POLL_SECONDS_MAX: Final = 60  # a page that sleeps longer would miss a window moved forward
GAPS_MAX: Final = 16  # losses of Redis in one sale; an older gap is walked at the rate instead of leapt
POLL_WAITING_SECONDS_MAX: Final = (
    15  # an open sale: the answer changes each second, the patience of people does not
)


@dataclass(frozen=True, slots=True)
class RoomView:
    """A waiting room as this process last saw it; `stale` when Redis has not confirmed it lately.

    Positions below `frontier` may enter; positions below `issued` have been handed out, but for those in `gaps`
    ([from, to) each): a loss of Redis skipped them, nobody waits there and the frontier leaps them.
    """

    sale_id: str
    state: RoomState
    frontier: int
    issued: int
    rate_per_second: int
    opens_at: datetime
    closes_at: datetime
    paused: bool
    stale: bool
    prequeue_at: datetime | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    pace: float = 1.0  # the part of the planned rate that the keeper lets in now

    @property
    def rate_now(self) -> int:
        """Positions a second at present: none while the room is paused, else at least one."""
        return 0 if self.paused else max(1, round(self.rate_per_second * self.pace))


def room_state(view: RoomView, now: datetime, *, sold_out: bool = False) -> RoomState:
    """The one state of a room at `now`."""
    if now >= view.closes_at:
        return "ended"
    if now < view.opens_at:
        return "scheduled" if view.prequeue_at is not None and now < view.prequeue_at else "prequeue"
    if sold_out:
        return "sold_out"
    return "paused" if view.paused else "open"


def waiting_before(view: RoomView, position: int) -> int:
    """How many positions the frontier has to pass one by one before it reaches `position`."""
    before = position - view.frontier
    if view.gaps:
        before -= sum(max(0, min(end, position) - max(start, view.frontier)) for start, end in view.gaps)
    return max(0, before)


def seconds_until_turn(view: RoomView, position: int, now: datetime) -> float:
    """When asking again makes sense: until the start plus the way of the frontier, between 1 and 60 seconds."""
    seconds = (waiting_before(view, position) + 1) / (view.rate_now or view.rate_per_second)
    if now < view.opens_at:
        seconds += (view.opens_at - now).total_seconds()
    return min(float(POLL_SECONDS_MAX), max(1.0, seconds))


def next_poll_seconds(view: RoomView, state: RoomState, now: datetime) -> int:
    """When the page should ask again: the same for everybody, so that one answer serves the whole crowd."""
    if state == "scheduled":
        opens = view.prequeue_at or view.opens_at
        return _bounded((opens - now).total_seconds(), POLL_SECONDS_MAX)
    if state == "prequeue":
        # A fifth of what is left, so that pages close in on the start without all asking each second before it.
        return _bounded((view.opens_at - now).total_seconds() / 5, 20)
    if state == "open":
        drain_seconds = waiting_before(view, view.issued) / (view.rate_now or view.rate_per_second)
        return _bounded(drain_seconds / 30, POLL_WAITING_SECONDS_MAX)
    return {"paused": 3, "sold_out": 5}.get(state, POLL_SECONDS_MAX)


def _bounded(seconds: float, most: int) -> int:
    return min(most, max(1, math.ceil(seconds)))


def queue_document(
    view: RoomView, stock_bands: Mapping[str, str], sold_out: bool, now: datetime
) -> dict[str, Any]:
    """The public queue document: the same for everybody, so a cache may keep it for a second.

    The lottery's fields are null in a room that is first come, first served.
    """
    state = room_state(view, now, sold_out=sold_out)
    return {
        "sale_id": view.sale_id,
        "state": state,
        "opens_at": rfc3339(view.opens_at),
        "closes_at": rfc3339(view.closes_at),
        "frontier": view.frontier,
        "issued": view.issued,
        "gaps": [list(gap) for gap in view.gaps if gap[1] > view.frontier],
        "rate_per_second": view.rate_now,
        "stock": dict(stock_bands),
        "lottery": {"commitment": None, "seed": None, "size": None},
        "next_poll_seconds": next_poll_seconds(view, state, now),
        "stale": view.stale,
        "server_time": rfc3339(now),
    }


def prequeue_start(opens_at: datetime, prequeue_seconds: int) -> datetime:
    """From when on tickets are handed out."""
    return opens_at - timedelta(seconds=prequeue_seconds)


def gaps_after_loss(gaps: Sequence[Sequence[int]], issued: int, start: int, frontier: int) -> list[list[int]]:
    """The gaps of a room that goes on at `start` after a loss, when `issued` is the last that was known.

    A loss in which nobody was given a position since the one before widens that gap: a Redis that refuses to be loaded
    is one gap, however often it was tried.
    """
    ahead = [list(gap) for gap in gaps if gap[1] > frontier]
    if start <= issued:
        return ahead[-GAPS_MAX:]
    if ahead and issued <= ahead[-1][1]:
        ahead[-1] = [min(issued, ahead[-1][0]), max(start, ahead[-1][1])]
    else:
        ahead.append([issued, start])
    return ahead[-GAPS_MAX:]


def parse_gaps(text: str) -> tuple[tuple[int, int], ...]:
    """`from:to,…` as the room's hash holds them."""
    pairs = (part.split(":") for part in text.split(",") if part)
    return tuple((int(start), int(end)) for start, end in pairs)
