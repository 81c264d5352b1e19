"""The crowd's history, read from its file: what shoppers were told, the witness that the system cannot influence.

One JSON line for each thing told. A last line that was cut off by a killed crowd is left out; a line in the middle
that cannot be read is counted, and then the history is no witness.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

ACKNOWLEDGED: Final = frozenset({"reserved"})
LINES_MAX: Final = 5_000_000  # 100,000 shoppers with fifty lines each; beyond it the file is not one of ours


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing one shopper was told at `at` (epoch seconds, the crowd's clock). Unknown fields are borne."""

    at: float
    user: str
    what: str
    status: int = 0
    persona: str = ""
    code: str | None = None
    reservation_id: str | None = None
    sku: str | None = None
    quantity: int | None = None
    position: int | None = None
    reward: dict[str, Any] | None = None
    key: str | None = None
    asked_at: float | None = None


class HistoryUnreadable(ValueError):
    """A line of the history is not one of the crowd's."""


@dataclass(frozen=True)
class History:
    """What was told, in the order it was written."""

    lines: tuple[Told, ...]

    @classmethod
    def read(cls, path: Path) -> "History":
        """The history in `path`. Raises `HistoryUnreadable`, `OSError`."""
        return cls(tuple(_read_lines(path)))

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Everybody who was told something, in the order of appearance."""
        return tuple(dict.fromkeys(line.user for line in self.lines))

    def evidence(self) -> dict[str, Any]:
        """The parts that the SQL truths are judged by, as JSON arrays."""
        return {
            "told": _json(self._acknowledged()),
            "ends": _json(self._ends()),
            "rewarded": _json(self._rewarded()),
            "refusals": _json(self._refusals()),
        }

    def _acknowledged(self) -> Iterator[dict[str, Any]]:
        for line in self.lines:
            if line.what in ACKNOWLEDGED and line.reservation_id is not None:
                yield {
                    "reservation_id": line.reservation_id,
                    "user_id": line.user,
                    "sku": line.sku,
                    "quantity": line.quantity,
                }

    def _ends(self) -> Iterator[dict[str, Any]]:
        for line in self.lines:
            if line.what in {"confirmed", "released"} and line.reservation_id is not None:
                yield {"what": line.what, "reservation_id": line.reservation_id}

    def _rewarded(self) -> Iterator[dict[str, Any]]:
        for line in self.lines:
            if (
                line.what == "rewarded"
                and line.reward is not None
                and line.reward.get("state") in {None, "paid"}
            ):
                yield {"grant_id": str(line.reward.get("grant_id")), "user_id": line.user}

    def _refusals(self) -> Iterator[dict[str, Any]]:
        """One for each item, quantity and second: a crowd is refused by the thousand, and a second decides nothing."""
        seen: set[tuple[str, int, int]] = set()
        for number, line in enumerate(self.lines, start=1):
            if line.what != "refused" or line.code != "sold_out" or line.sku is None:
                continue
            quantity = line.quantity or 1
            kind = (line.sku, quantity, int(line.at))
            if kind not in seen:
                seen.add(kind)
                yield {"line": number, "sku": line.sku, "quantity": quantity, "at": line.at}


def _read_lines(path: Path) -> Iterator[Told]:
    decoder = msgspec.json.Decoder(Told)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            if number > LINES_MAX:
                raise HistoryUnreadable(f"{path} has more than {LINES_MAX} lines")
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise HistoryUnreadable(f"{path}, line {number}: {error}") from error


def _json(entries: Iterator[dict[str, Any]]) -> str:
    return msgspec.json.encode(list(entries)).decode()
