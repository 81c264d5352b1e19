"""The crowd's own history: one JSON line for each thing a shopper was told, the witness that judges the system.

Lines are buffered and reach the file once a second and at the end; a crowd that is killed loses a second of memory,
never the middle of a line that a reader could not skip.
"""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

What = Literal[
    "joined", "admitted", "reserved", "refused", "payment_opened", "paid", "confirmed", "rewarded", "released",
    "left", "forged_refused", "error",
]  # fmt: skip
BUFFER_LINES_MAX: Final = 2_000  # about 400 kB; the schedule empties it long before


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing one shopper was told. `status` is that of the answer, 0 where there was none.

    `at` is when the answer was there, `asked_at` when it was first asked for: what it tells happened in between.
    """

    at: float
    user: str
    persona: str
    what: What
    status: int
    code: str | None = None
    reservation_id: str | None = None
    sku: str | None = None
    quantity: int | None = None
    position: int | None = None
    reward: dict[str, Any] | None = None
    key: str | None = None
    asked_at: float | None = None


class History:
    """Writes what was told. `flush` is called by the crowd's clock and at the end."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)

    def write(self, user: str, persona: str, what: What, status: int, **facts: Any) -> None:
        """Notes one thing; `facts` are the optional fields of `Told`."""
        told = Told(at=round(self._clock(), 3), user=user, persona=persona, what=what, status=status, **facts)
        self._lines.append(self._encoder.encode(told))
        if len(self._lines) >= BUFFER_LINES_MAX:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            pending = memoryview(b"\n".join([*self._lines, b""]))
            self._lines.clear()
            while pending:
                pending = pending[self._file.write(pending) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._file.close()


def read_history(path: Path) -> list[Told]:
    """Every whole line of a history; a last line that was cut off is left out."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    decoder = msgspec.json.Decoder(Told)
    return [decoder.decode(line) for line in whole.splitlines() if line]
