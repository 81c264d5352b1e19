"""One request on its way to a decision, and how a batch of them is told to the script and back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import msgspec

from kit.sinks import Sink
from queueing.limits.decisions import Decision
from queueing.limits.policy import Check, Shape

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode


class Mode(IntEnum):
    """What is asked of the buckets (lua/decide.lua)."""

    TAKE = 1
    PEEK = 2
    REFUND = 3


@dataclass(slots=True, eq=False)
class Member:
    """One request. `buckets` are its keys in Redis, one a check; `until` is a refund's receipt."""

    scope: str
    checks: Sequence[Check]
    buckets: list[str]
    cost: int
    mode: Mode
    sink: Sink[Decision]
    until: Sequence[int] = ()
    since: float = field(default_factory=time.monotonic)


def pack(members: Sequence[Member]) -> tuple[list[str], bytes]:
    """The keys and the one argument of a call that decides `members` in their order."""
    places: dict[str, int] = {}
    shape_places: dict[Shape, int] = {}
    shapes: list[int] = []
    wishes: list[int] = []
    for member in members:
        wishes += (member.mode, len(member.buckets))
        cost, until = member.cost, member.until
        for number, bucket in enumerate(member.buckets):
            policy = member.checks[number][0]
            shape = policy.one if cost == 1 else policy.shape(cost)
            first = shape_places.get(shape)
            if first is None:
                first = shape_places[shape] = len(shapes) + 1
                shapes += shape
            place = places.setdefault(bucket, len(places) + 1)
            if until:
                wishes += (place, first, until[2 * number], until[2 * number + 1])
            else:
                wishes += (place, first, 0, 0)
    return list(places), _encode((shapes, wishes))


def unpack(members: Sequence[Member], answer: bytes) -> list[Decision]:
    """The script's answer, a decision each."""
    told = _decode(answer)
    now_us, at = told[0], 1
    decisions = []
    for member in members:
        end = at + 2 * len(member.buckets)
        ahead, at = told[at:end], end
        allowed = True
        if min(ahead) < 0:  # rests are never negative
            allowed = not any(
                whole < 0 and not check[0].shadow
                for whole, check in zip(ahead[::2], member.checks, strict=True)
            )
        taken = allowed and member.mode is Mode.TAKE
        decisions.append(
            Decision(allowed, member.scope, member.checks, member.cost, now_us, ahead, taken=taken)
        )
    return decisions
