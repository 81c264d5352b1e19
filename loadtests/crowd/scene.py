"""What all shoppers of one crowd share: the wire, the board, the sale as the gateway shows it, and the notebooks."""

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final

from loadtests.crowd.board import QueueBoard
from loadtests.crowd.figures import Figures
from loadtests.crowd.history import History
from loadtests.crowd.wire import Wire

LIVE_WATCHERS_MAX: Final = 50  # each holds a connection open; a sample shows what live notices do
KNOWN_MAX: Final = 64  # tickets and reservations of other people, for forgers to try
# A killed keeper is replaced within ten seconds; then an expiry takes one, and the document may be two seconds old.
STAYERS_LINGER_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One item of the sale."""

    sku: str
    per_user_limit: int


@dataclass(frozen=True, slots=True)
class SaleView:
    """The sale as the gateway shows it."""

    sale_id: str
    opens_at: float
    closes_at: float
    offers: tuple[Offer, ...]

    @classmethod
    def parse(cls, sale_id: str, body: dict[str, Any]) -> "SaleView":
        """Raises KeyError, TypeError or ValueError for what is no sale."""
        return cls(
            sale_id=sale_id,
            opens_at=instant(body["opens_at"]),
            closes_at=instant(body["closes_at"]),
            offers=tuple(
                Offer(str(item["sku"]), int(item.get("per_user_limit", 1))) for item in body["items"]
            ),
        )


def instant(text: str) -> float:
    """Epoch seconds of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


@dataclass(slots=True)
class Scene:
    """The shared state of a running crowd."""

    wire: Wire
    history: History
    figures: Figures
    board: QueueBoard
    sale: SaleView
    seed: int
    clock_ahead_seconds: float = 0.0  # the server's clock minus ours; deadlines are the server's
    unsettled: int = 0  # shoppers that may still give a unit back
    settled_at: float = 0.0
    slowest_confirmation_seconds: float = 0.0
    live_watchers: int = 0
    arrived: int = 0
    ended: int = 0
    known_reservations: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN_MAX))
    known_tickets: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=KNOWN_MAX))
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = Random(f"manners:{self.seed}")

    def server_now(self) -> float:
        return time.time() + self.clock_ahead_seconds

    def unsettle(self) -> None:
        """A shopper who only waited holds something now."""
        self.unsettled += 1

    def settle(self, *, returns_in_seconds: float = 0.0) -> None:
        """One more shopper can give nothing back any more, but for what ends by itself within that time."""
        self.unsettled -= 1
        self.settled_at = max(self.settled_at, time.monotonic() + returns_in_seconds)

    def stock_may_return(self) -> bool:
        """Whether it still makes sense to wait for a unit."""
        return self.unsettled > 0 or time.monotonic() < self.settled_at + STAYERS_LINGER_SECONDS
