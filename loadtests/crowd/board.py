"""The queue document as a crowd behind a cache sees it: one reader for all who merely wait, obeying max-age.

A waiter sleeps on one future, not on a timer of its own, so twenty thousand of them cost no polling at all.
"""

import asyncio
import heapq
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from loadtests.crowd.wire import Answer, Request, Wire

MAX_AGE_SECONDS: Final = 1.0  # where the answer names none
NEXT_POLL_SECONDS_MAX: Final = (
    5.0  # a document that asks for more patience than this is asked again all the same
)
_MAX_AGE = re.compile(r"max-age=(\d+)")


class Seen(Enum):
    """What a waiter learns from the document."""

    TURN = "turn"
    SOLD_OUT = "sold_out"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Document:
    """The facts of the queue document that a shopper acts on."""

    state: str = "unknown"
    frontier: int = 0
    next_poll_seconds: float = MAX_AGE_SECONDS
    bands: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: Any) -> "Document":
        """Reads leniently: a document that lacks a field says "unknown" there, and nobody acts on that."""
        fields = body if isinstance(body, dict) else {}
        frontier, poll, bands = (fields.get(name) for name in ("frontier", "next_poll_seconds", "stock"))
        return cls(
            state=str(fields.get("state", "unknown")),
            frontier=frontier if isinstance(frontier, int) else 0,
            next_poll_seconds=min(poll, NEXT_POLL_SECONDS_MAX)
            if isinstance(poll, int | float) and poll > 0
            else MAX_AGE_SECONDS,
            bands=bands if isinstance(bands, dict) else {},
        )

    @property
    def has_stock(self) -> bool:
        """Whether it is worth asking: open, and some item not known to be gone."""
        return self.state == "open" and (
            not self.bands or any(band != "none" for band in self.bands.values())
        )


def max_age(answer: Answer) -> float:
    """How long a cache may keep the answer."""
    found = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
    return float(found[1]) if found else MAX_AGE_SECONDS


class QueueBoard:
    """The shared copy. `run` reads until cancelled; waiters are told what concerns them."""

    def __init__(self, wire: Wire, sale_id: str) -> None:
        self._wire = wire
        self._url = f"/v1/sales/{sale_id}/queue"
        self._etag: str | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[Seen]]] = []
        self._leave_when_sold_out: set[asyncio.Future[Seen]] = set()
        self._for_stock: set[asyncio.Future[None]] = set()
        self._numbers = 0
        self.waiting = 0
        self.document = Document()

    async def run(self) -> None:
        """One fetch per max-age, whoever waits: what a cache between the crowd and the gateway would send on."""
        while True:
            answer = await self.fetch(self._etag)
            if answer.status == 200:
                self._etag = answer.headers.get("ETag")
                self.take(Document.parse(answer.body))
            await asyncio.sleep(max(max_age(answer), 0.2))

    async def fetch(self, etag: str | None, *, stage: str = "queue_document") -> Answer:
        """The document itself, revalidated where the reader has one already."""
        headers = {} if etag is None else {"If-None-Match": etag}
        return await self._wire.once(Request(stage, "GET", self._url, headers=headers))

    def take(self, document: Document) -> None:
        """A newer document: wakes those whose turn it is, or who have nothing left to wait for."""
        self.document = document
        while self._waiting and (
            self._waiting[0][0] < document.frontier or document.state == "ended" or self._waiting[0][2].done()
        ):
            _, _, future = heapq.heappop(self._waiting)
            _tell(future, Seen.ENDED if document.state == "ended" else Seen.TURN)
        if document.state == "sold_out":
            for future in self._leave_when_sold_out:
                _tell(future, Seen.SOLD_OUT)
        if document.has_stock or document.state == "ended":
            for waiter in self._for_stock:
                if not waiter.done():
                    waiter.set_result(None)

    async def turn(self, position: int, *, stays: bool) -> Seen:
        """Waits until the frontier has passed `position`; those who do not stay go when all is sold out."""
        if self.document.state == "ended":
            return Seen.ENDED
        if position < self.document.frontier:
            return Seen.TURN
        if self.document.state == "sold_out" and not stays:
            return Seen.SOLD_OUT
        future: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._numbers += 1
        heapq.heappush(self._waiting, (position, self._numbers, future))
        if not stays:
            self._leave_when_sold_out.add(future)
        self.waiting += 1
        try:
            return await future
        finally:
            self.waiting -= 1
            self._leave_when_sold_out.discard(future)

    async def stock_again(self, seconds: float) -> bool:
        """Waits, at most `seconds`, for a document newer than now that shows stock; whether one came."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._for_stock.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._for_stock.discard(waiter)
        return self.document.state != "ended"


def _tell(future: asyncio.Future[Seen], seen: Seen) -> None:
    if not future.done():
        future.set_result(seen)
