"""One keep-alive connection: answers are cut out of the byte stream with as little work as telling them apart takes."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

# No answer of the contract is longer; a longer one means that the stream is not what it is taken for.
ANSWER_BYTES_MAX: Final = 1 << 20
GRANTED: Final = b"201"


class Unreadable(ValueError):
    """An answer that this client does not understand; the run does not count."""


class Tally:
    """What came back, by status; the bodies of what was granted, to be held against the ledger; samples of the rest."""

    __slots__ = ("bodies", "broken", "counts", "keep_granted", "lost", "samples")

    def __init__(self, *, keep_granted: bool) -> None:
        self.counts: defaultdict[bytes, int] = defaultdict(int)
        self.samples: dict[bytes, bytes] = {}
        self.bodies: list[bytes] = []
        self.keep_granted = keep_granted
        self.lost = 0  # sent, and no answer came: whether it had an effect is unknown
        self.broken: str | None = None

    @property
    def answered(self) -> int:
        return sum(self.counts.values())

    def by_status(self) -> dict[str, int]:
        return {status.decode(errors="replace"): count for status, count in sorted(self.counts.items())}


class Line(asyncio.Protocol):
    """Cuts answers out of what arrives; subclasses say what follows an answer."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.transport: asyncio.Transport | None = None
        self.rest = b""
        self.outstanding = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.write = transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        self.tally.lost += self.outstanding
        self.outstanding = 0
        self.transport = None

    def data_received(self, chunk: bytes) -> None:
        if self.rest:
            chunk = self.rest + chunk
        try:
            answers, at = self._cut(chunk)
        except ValueError as error:
            self.tally.broken = f"{error}: {chunk[:200]!r}"
            if self.transport is not None:
                self.transport.abort()
            return
        self.rest = chunk[at:] if at < len(chunk) else b""
        if answers:
            self.outstanding -= answers
            self.answered(answers)

    def _cut(self, chunk: bytes) -> tuple[int, int]:
        """How many whole answers begin `chunk`, and where what is left begins. Raises `ValueError`."""
        tally, at, size, answers = self.tally, 0, len(chunk), 0
        counts = tally.counts
        while at < size:
            head = chunk.find(b"\r\n\r\n", at)
            if head < 0:
                break
            end = _end(chunk, at, head)
            if end > size:
                break
            status = chunk[at + 9 : at + 12]
            counts[status] += 1
            answers += 1
            if status == GRANTED and tally.keep_granted:
                tally.bodies.append(chunk[head + 4 : end])
            elif status not in tally.samples:
                tally.samples[status] = chunk[at:end]
            at = end
        if size - at > ANSWER_BYTES_MAX:
            raise Unreadable("an endless answer")
        return answers, at

    def answered(self, answers: int) -> None:
        """So many answers have just arrived."""


def _end(chunk: bytes, at: int, head: int) -> int:
    """Where the answer that begins at `at` ends; its head ends at `head`."""
    if chunk[at + 9 : at + 12] == b"304":
        return head + 4
    length = chunk.find(b"ength: ", at, head)  # content-length, in either spelling of its first letters
    if length >= 0:
        return head + 4 + int(chunk[length + 7 : chunk.find(b"\r", length)])
    if chunk.find(b"chunked", at, head) >= 0:
        raise Unreadable("a chunked answer")
    return head + 4


def read_answers(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Status and body of every whole answer in `stream`, for those who ask slowly."""
    at = 0
    while (head := stream.find(b"\r\n\r\n", at)) >= 0 and (end := _end(stream, at, head)) <= len(stream):
        yield int(stream[at + 9 : at + 12]), stream[head + 4 : end]
        at = end
