"""What a gateway is made of, and what runs beside its requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from redis.asyncio import Redis

from flashsale.board import StockBoard
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import SaleBook
from gateway.limiting import Limiting
from gateway.live import LiveRoom
from gateway.overload.garbage import collect_at_rest
from gateway.overload.gate import Gate
from gateway.queue_documents import QueueDocuments
from gateway.settings import GatewaySettings
from kit.clock import Clock
from kit.doorbell import Doorbells
from kit.identity import Identities
from kit.postgres import Postgres
from kit.tasks import end_tasks
from queueing.service import RoomBoard, WaitingRoom
from rewards.payouts import Payouts

log = structlog.get_logger()

RESTART_SECONDS: Final = 1.0  # a view that failed is read again at its usual pace


@dataclass(frozen=True, slots=True)
class Parts:
    """The clients and services that the routes call; connected at their first use."""

    settings: GatewaySettings
    clock: Clock
    identities: Identities
    postgres: Postgres
    stock: Redis
    book: SaleBook
    rooms: RoomBoard
    stock_board: StockBoard
    waiting_room: WaitingRoom
    reservations: Reservations
    payments: Payments
    payouts: Payouts
    doorbells: Doorbells
    live: LiveRoom
    webhook_secret: str
    gate: Gate = field(default_factory=Gate)
    limiting: Limiting | None = None  # nobody is limited without it
    queue_documents: QueueDocuments = field(init=False)

    def __post_init__(self) -> None:
        documents = QueueDocuments(self.rooms, self.stock_board, self.clock)
        object.__setattr__(self, "queue_documents", documents)


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Reads every view once, then keeps them fresh; at the end what is in flight is answered first.

    Raises `Unavailable` when PostgreSQL is away at the start.
    """
    await parts.book.refresh(parts.postgres)
    await parts.rooms.refresh()
    await parts.stock_board.refresh(parts.stock, parts.book)
    await parts.reservations.start()
    if parts.limiting is not None:
        await parts.limiting.limits.start()
    loops = [
        asyncio.create_task(_keep(name, run), name=name)
        for name, run in {
            "sale_book": lambda: parts.book.run(parts.postgres),
            "room_board": parts.rooms.run,
            "stock_board": lambda: parts.stock_board.run(parts.stock, parts.book),
            "sold_out_marks": parts.reservations.marks.run,
            "doorbells": parts.doorbells.run,
            "overload_gate": parts.gate.run,
            "garbage": lambda: collect_at_rest(parts.gate.at_rest),
        }.items()
    ]
    try:
        yield
    finally:
        parts.live.close()
        if parts.limiting is not None:
            await parts.limiting.limits.stop()
        await parts.reservations.stop()
        await end_tasks(loops)


async def _keep(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """A view whose loop fails is a fault of ours; the door must not go blind for it until the next restart."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("view_failed", view=name)
        await asyncio.sleep(RESTART_SECONDS)
