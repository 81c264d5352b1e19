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


class Batch:
    """Requests of one scope as one call of the script: its `keys` and its `argument`.

    Those of a route ask alike, so what they have in common is written once and the rest is handed on by the column.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.runs = [Run(terms, [*alike]) for terms, alike in groupby(members, _terms)]
        asked = [*chain.from_iterable([run.buckets() for run in self.runs])]
        places = dict(zip(dict.fromkeys(asked), count(1)))
        self.keys = [*places]
        runs: list[int] = []
        receipts: list[int] = []
        for run in self.runs:
            runs += (run.terms.mode, len(run.members), *run.terms.told)
            if run.terms.mode is Mode.REFUND:
                receipts += chain.from_iterable([member.until for member in run.members])
        in_order = len(places) == len(asked)
        self.argument = _encode((runs, () if in_order else [*map(places.__getitem__, asked)], receipts))

    def read(self, answer: bytes) -> Iterator[tuple[Run, list[Decision]]]:
        """The script's answer, run by run, a decision each."""
        told = _decode(answer)
        all_fit = min(told) >= 0  # rests are never negative
        numbers = iter(told)
        now_us = next(numbers)
        for run in self.runs:
            terms, members = run.terms, run.members
            width = 2 * len(terms.policies)
            aheads = islice(zip(*[numbers] * width, strict=True), len(members))
            takes = terms.mode is Mode.TAKE
            yield (
                run,
                [
                    Decision(
                        allowed := all_fit or not terms.refusing(ahead),
                        member.scope,
                        member.checks,
                        terms,
                        now_us,
                        ahead,
                        allowed and takes,
                    )
                    for ahead, member in zip(aheads, members, strict=True)
                ],
            )
