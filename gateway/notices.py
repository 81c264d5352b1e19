"""Live notices derived from rows: won, paid, reward_sent. Pure.

A notice has a key of its own (event and id), so telling it is decided by what was told, never by a clock: a row that
commits late, with an earlier time, is still told. The cursor that a client sends back (`Last-Event-ID`) names what it
has been told, 48 bits a notice.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from flashsale.facts import Reservation
from gateway.answers import ReservationAnswer, RewardAnswer
from rewards.grants import RewardFacts

NOTICES_MAX: Final = 400  # 3.2 kB of cursor; a shopper has a handful
_MARK_CHARACTERS: Final = 8
_MARK_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a shopper, once."""

    event: Literal["won", "paid", "reward_sent"]
    at: datetime
    mark: str
    content: dict[str, Any]


def derive(reservations: Sequence[Reservation], rewards: Sequence[RewardFacts]) -> list[Notice]:
    """Everything there is to tell, in order of time; bounded to the newest `NOTICES_MAX`."""
    found: list[Notice] = []
    for reservation in reservations:
        content = ReservationAnswer.of(reservation).model_dump(mode="json")
        if reservation.regrant_of is None:
            found.append(_notice("won", reservation.held_at, reservation.reservation_id, content))
        if reservation.state == "confirmed" and reservation.ended_at is not None:
            found.append(_notice("paid", reservation.ended_at, reservation.reservation_id, content))
    for reward in rewards:
        if reward.state == "paid" and reward.ended_at is not None:
            content = RewardAnswer.of(reward).model_dump(mode="json")
            found.append(_notice("reward_sent", reward.ended_at, reward.grant_id, content))
    return sorted(found, key=lambda notice: (notice.at, notice.mark))[-NOTICES_MAX:]


def write_cursor(told: Collection[str]) -> str:
    """The marks of what was told, as one token."""
    return "".join(sorted(told))[: NOTICES_MAX * _MARK_CHARACTERS] or "-"


def read_cursor(text: str | None) -> set[str] | None:
    """The marks in a cursor; None for none, or for what is no cursor of ours."""
    if text is None or len(text) > NOTICES_MAX * _MARK_CHARACTERS or not text.isascii():
        return None
    if text == "-":
        return set()
    if not text or len(text) % _MARK_CHARACTERS:
        return None
    return {text[at : at + _MARK_CHARACTERS] for at in range(0, len(text), _MARK_CHARACTERS)}


def _notice(
    event: Literal["won", "paid", "reward_sent"], at: datetime, subject: object, content: dict[str, Any]
) -> Notice:
    digest = hashlib.blake2b(f"{event} {subject}".encode(), digest_size=_MARK_BYTES).digest()
    return Notice(event, at, urlsafe_b64encode(digest).decode(), content)
