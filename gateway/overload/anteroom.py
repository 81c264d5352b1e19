"""Where those wait who find no room under way: a refusal is cheap, and its caller's next request is not.

A refusal told at once comes back at once: a few thousand connections that ask again and again fill the core with reading
and refusing, and whoever was let in waits for a turn of the loop behind all of them. A request that waits here costs
nothing, and a connection that waits for its answer sends nothing more: so the crowd is slowed down to what can be
served, and the server sets the pace of its refusals, whatever callers make of `Retry-After`.

- **Order.** By priority, then by coming; but while there are fresh ones, those who waited longer than `fresh_seconds`, the
  stale, are passed over: their answer would come too late to be goodput, and serving them first would make everybody's
  late. Where there is room for some of them too, the last to come are the least late.
- **Patience.** Whoever waited longer than that of their priority is turned away, the oldest first, at a bounded rate:
  it goes on while nothing else does, and a crowd that has lost its patience all at once cannot starve a commit. Until
  then they may still be let in.
- **Bounds.** So many places. Who comes when all are taken gets that of the oldest stale one, of no higher priority, which
  is turned away; where nobody is stale, who comes is refused. And whoever waited `TURNED_AWAY_WITHIN_SECONDS` beyond
  their patience is told, whatever the rate: before any deadline.
- **The gone.** Who has left keeps no place, and is skipped.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from gateway.overload.priority import Priority

if TYPE_CHECKING:
    from gateway.overload.permit import Permit

# With the reading of what comes back for it, one costs some 60 µs of the core: a twelfth of it ...
TURNED_AWAY_A_SECOND: Final = 1280.0
TURNED_AWAY_WITHIN_SECONDS: Final = 5.0  # ... and more where so many wait that it would take longer
# Of the patience. Paying never waits, it is let in; a view is worth less than its waiting and has other sources.
PATIENCE_SHARES: Final[Mapping[Priority, float]] = {Priority.RESERVE: 1.0, Priority.JOIN: 0.5}
COMPACT_MIN: Final = 1024  # below it, keeping the gone in line costs nothing


class Waiter(Protocol):
    """Told once how its waiting ended, unless it has left before."""

    def let_in(self) -> None:
        """Its permit is held from now on."""

    def turn_away(self) -> None:
        """Its patience has ended; its permit is void."""


class _Line:
    """Those of one priority: `fresh` and, all older, `stale`; each in the order of coming."""

    __slots__ = ("fresh", "patience_seconds", "stale")

    def __init__(self, patience_seconds: float) -> None:
        self.patience_seconds = patience_seconds
        self.fresh: deque[Permit] = deque()
        self.stale: deque[Permit] = deque()

    def grow_stale(self, came_before: float) -> None:
        fresh, stale = self.fresh, self.stale
        while fresh and (fresh[0].came < came_before or fresh[0].waiter is None):
            permit = fresh.popleft()
            if permit.waiter is not None:
                stale.append(permit)

    def drop_gone(self) -> None:
        self.fresh = deque(permit for permit in self.fresh if permit.waiter is not None)
        self.stale = deque(permit for permit in self.stale if permit.waiter is not None)


class Anteroom:
    """The places of one gate, which moves `fresh_seconds`. Whoever leaves by itself lowers `waiting` by one."""

    def __init__(self, places: int, fresh_seconds: float, patience_seconds: float) -> None:
        self.waiting = 0
        self.fresh_seconds = fresh_seconds
        self._places = places
        self._lines = {one: _Line(share * patience_seconds) for one, share in PATIENCE_SHARES.items()}
        self._may_turn_away = 0.0

    def take_place(self, permit: "Permit") -> "Permit | None":
        """Who is refused for it: nobody, or who must give its place up, or `permit` itself, which gets none."""
        line = self._lines.get(permit.priority)
        if line is None:
            return permit
        refused = None
        if self.waiting >= self._places and (refused := self._stalest(permit)) is None:
            return permit
        self.waiting += 1
        line.fresh.append(permit)
        return refused

    def next(self, priority: Priority, now: float) -> "Permit | None":
        """Who is to be let in next, of this priority."""
        line = self._lines[priority]
        line.grow_stale(now - self.fresh_seconds)
        return self._take(line.fresh, line.fresh.popleft) or self._take(line.stale, line.stale.pop)

    def _stalest(self, newcomer: "Permit") -> "Permit | None":
        for priority in sorted(self._lines, reverse=True):
            if priority >= newcomer.priority:
                line = self._lines[priority]
                line.grow_stale(newcomer.came - self.fresh_seconds)
                if permit := self._take(line.stale, line.stale.popleft):
                    return permit
        return None

    def _take(self, part: "deque[Permit]", pop: "Callable[[], Permit]") -> "Permit | None":
        while part:
            permit = pop()
            if permit.waiter is not None:
                self.waiting -= 1
                return permit
        return None

    def out_of_patience(self, now: float, elapsed_seconds: float) -> "Iterator[Permit]":
        """Whose patience has ended: as many as may be told after so many seconds more."""
        rate = max(TURNED_AWAY_A_SECOND, self.waiting / TURNED_AWAY_WITHIN_SECONDS)
        self._may_turn_away = max(0.0, self._may_turn_away) % 1.0 + rate * elapsed_seconds
        for line in self._lines.values():
            ended = now - line.patience_seconds
            for part in (line.stale, line.fresh):
                while part and (part[0].waiter is None or self._is_told_now(part[0].came, ended)):
                    permit = part.popleft()
                    if permit.waiter is not None:
                        self.waiting -= 1
                        self._may_turn_away -= 1
                        yield permit
            if len(line.fresh) + len(line.stale) > COMPACT_MIN + 2 * self.waiting:
                line.drop_gone()

    def _is_told_now(self, came: float, ended: float) -> bool:
        return came <= ended and (self._may_turn_away >= 1 or came <= ended - TURNED_AWAY_WITHIN_SECONDS)
