"""One request on its way to a decision, and how a batch of them is told to the script and back."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain, count, groupby, islice
from operator import attrgetter
from typing import Final

import msgspec

from kit.sinks import Sink
from queueing.limits import keys
from queueing.limits.decisions import Decision
from queueing.limits.policy import Check
from queueing.limits.terms import Mode, Terms

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode
_terms: Final = attrgetter("terms")


class Member(msgspec.Struct, eq=False, gc=False):
    """One request. `until` is a refund's receipt."""

    scope: str
    checks: Sequence[Check]
    terms: Terms
    sink: Sink[Decision]
    until: Sequence[int] = ()
    since: float = msgspec.field(default_factory=time.monotonic)


class Run(msgspec.Struct, eq=False, gc=False):
    """Neighbours that ask alike."""

    terms: Terms
    members: list[Member]

    def buckets(self) -> list[str]:
        """The keys in Redis of all their checks, member by member."""
        scope = self.members[0].scope
        columns = [
            keys.buckets(scope, policy.name, [member.checks[place].key for member in self.members])
            for place, policy in enumerate(self.terms.policies)
        ]
        return columns[0] if len(columns) == 1 else [*chain.from_iterable(zip(*columns, strict=True))]

    def decisions(self, now_us: int, numbers: Iterator[int], *, all_fit: bool) -> list[Decision]:
        """A decision a member; takes from `numbers`, what the script said of the buckets, those that are theirs."""
        terms, scope = self.terms, self.members[0].scope
        width, takes = 2 * len(terms.policies), terms.mode is Mode.TAKE
        aheads = islice(zip(*[numbers] * width, strict=True), len(self.members))
        return [
            Decision(
                allowed := all_fit or not terms.refusing(ahead),
                scope,
                member.checks,
                terms,
                now_us,
                ahead,
                allowed and takes,
            )
            for member, ahead in zip(self.members, aheads, strict=True)
        ]


class Batch:
    """Requests of one scope as one call of the script: its `keys` and its `argument`.

    Those of a route ask alike, so what they have in common is written once and the rest is handed on by the column.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._runs = [Run(terms, [*alike]) for terms, alike in groupby(members, _terms)]
        asked = [*chain.from_iterable([run.buckets() for run in self._runs])]
        places = dict(zip(dict.fromkeys(asked), count(1)))
        in_order = len(places) == len(asked)
        self.keys = [*places]
        self.argument = _encode(
            (self._told_runs(), () if in_order else [*map(places.__getitem__, asked)], self._receipts())
        )

    def read(self, answer: bytes) -> list[tuple[Run, list[Decision]]]:
        """The script's answer, run by run in the order of coming."""
        now_us, *ahead = _decode(answer)
        numbers, all_fit = iter(ahead), min(ahead) >= 0  # rests are never negative
        return [(run, run.decisions(now_us, numbers, all_fit=all_fit)) for run in self._runs]

    def _told_runs(self) -> list[int]:
        told: list[int] = []
        for run in self._runs:
            told += (run.terms.mode, len(run.members), *run.terms.told)
        return told

    def _receipts(self) -> list[int]:
        refunds = [run.members for run in self._runs if run.terms.mode is Mode.REFUND]
        return [*chain.from_iterable([member.until for members in refunds for member in members])]
