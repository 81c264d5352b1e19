"""What shoppers of a trial were told: one line each, in the form that the judge reads."""

from pathlib import Path
from typing import TextIO

import msgspec

from flashsale.facts import Reserved
from kit.clock import Clock
from ops.invariants.history import Told


class Witness:
    """Writes the history of one trial, and counts what nobody was told in time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self.clock = path, clock
        self.unanswered: list[str] = []  # who waited longer than any answer may take
        self._file: TextIO = path.open("w", encoding="utf-8")

    def tell(self, user_id: str, what: str, *, asked_at: float, **facts: object) -> None:
        """One thing one shopper was told now."""
        line = Told(at=self.clock.seconds(), user=user_id, what=what, asked_at=asked_at, **facts)  # type: ignore[arg-type]
        self._file.write(msgspec.json.encode(line).decode() + "\n")

    def reserved(self, asked_at: float, reserved: Reserved, key: str) -> None:
        """An acknowledgement: the promise that the rest is judged by."""
        told = reserved.reservation
        self.tell(
            told.user_id,
            "reserved",
            asked_at=asked_at,
            status=201,
            sku=told.sku,
            quantity=told.quantity,
            key=key,
            reservation_id=str(told.reservation_id),
        )

    def close(self) -> None:
        self._file.close()
