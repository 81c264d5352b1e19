"""What is measured: where it answers, what it is asked, which answers are right, and how its books are checked."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

import msgspec

from loadtests.bench.client.lines import GRANTED, Tally

# Answers of a server that says honestly that it has enough to do; they are no goodput and no fault.
SHED: Final = frozenset({b"503"})


class Books(Protocol):
    """Holds what a server told against what it wrote down."""

    def complaint(self, tally: Tally) -> str | None:
        """What is wrong after a run, None when everything sold was granted and everything granted is there."""


class NoBooks:
    """For answers that change nothing."""

    def complaint(self, tally: Tally) -> str | None:
        return None


@dataclass(slots=True)
class Subject:
    """One server on one path. `make(n)` gives n requests; `again` when the same ones may be sent over and over."""

    name: str
    title: str
    ports: Sequence[int]
    make: Callable[[int], Sequence[bytes]]
    good: frozenset[bytes]
    pids: Mapping[str, int]
    books: Books = field(default_factory=NoBooks)
    again: bool = False
    connections: int = 128
    depth: int = 1
    awake: bool = False  # the client never sleeps; only where no store needs its core
    marker: bytes = b""  # stands in every good answer
    rate_guess: float = 12_000.0
    tolerated: frozenset[bytes] = SHED

    def requests(self, seconds: float) -> Iterator[bytes]:
        """Enough for so many seconds at half as much again as it has shown."""
        if self.again:
            return itertools.cycle(self.make(0))
        return iter(self.make(int(self.rate_guess * 1.5 * seconds) + 2 * self.connections * self.depth))

    def complaint(self, tally: Tally) -> str | None:
        """Why a run of this subject does not count, None when it does."""
        if tally.broken is not None:
            return f"an answer could not be read: {tally.broken}"
        odd = {status for status in tally.counts if status not in self.good | self.tolerated}
        if odd:
            status = min(odd)
            return f"answered {status.decode()}: {tally.samples.get(status, b'')[-160:]!r}"
        if self.marker and any(
            self.marker not in tally.samples.get(status, self.marker) for status in self.good
        ):
            return f"answered without {self.marker.decode()}"
        if not any(tally.counts.get(status) for status in self.good):
            others = ", ".join(
                f"{count} x {status.decode()}" for status, count in tally.counts.items() if count
            )
            sample = next(iter(tally.samples.values()), b"")[-160:]
            return f"nothing good was answered: {others or 'nothing at all'} {sample!r}"
        return self.books.complaint(tally)


class _Told(msgspec.Struct):
    reservation_id: UUID


def united(first: Tally, then: Tally) -> Tally:
    """A run and the asking again of everybody whom it left in doubt: each grant once, and no doubt about a refusal."""
    both = Tally(keep_granted=True)
    for tally in (first, then):
        for status, count in tally.counts.items():
            both.counts[status] += count
        both.samples.update(tally.samples)
        both.bodies += tally.bodies
        both.lost += tally.lost
        both.broken = both.broken or tally.broken
    by_id = dict(zip(told_ids(both), both.bodies, strict=True))
    both.bodies = list(by_id.values())
    both.counts[GRANTED] = len(by_id)
    for status in SHED:
        both.counts[status] = then.counts.get(status, 0)
    return both


_told: Final = msgspec.json.Decoder(_Told)


def told_ids(tally: Tally) -> list[UUID]:
    """The reservation ids that a run was told."""
    return [_told.decode(body).reservation_id for body in tally.bodies]


def count_complaint(*, before: int, after: int, total: int, tally: Tally, distinct: int) -> str | None:
    """Units sold must be units granted, and never more than there are.

    An answer that was lost may stand for either, and so may a 503: it tells the shopper to ask again with the same key.
    """
    granted, sold = tally.counts.get(GRANTED, 0), after - before
    doubtful = tally.lost + sum(tally.counts.get(status, 0) for status in SHED)
    if distinct != granted:
        return f"{granted} were granted under {distinct} ids"
    if not granted <= sold <= granted + doubtful:
        return f"{granted} were granted and {doubtful} may or may not have been, but {sold} units sold"
    if after > total:
        return f"oversold: {after} of {total}"
    return None
