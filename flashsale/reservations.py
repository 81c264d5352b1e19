"""Reserving: from an admitted request to a durable acknowledgement."""

from uuid import UUID

from redis.asyncio import Redis

from flashsale.board import StockBoard
from flashsale.facts import Admitted, Reservation, Reserved, ReserveRequest
from flashsale.readings import get_reservation, list_reservations
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from kit.clock import Clock
from kit.errors import Unavailable
from kit.postgres import Postgres, WriteSession

__all__ = [
    "Admitted",
    "Reservation",
    "Reservations",
    "ReserveRequest",
    "Reserved",
    "StockBoard",
    "get_reservation",
    "list_reservations",
]


class Reservations:
    """The reservation service of one process."""

    def __init__(
        self,
        postgres: Postgres,
        stock: Redis,
        bells: Redis,
        book: SaleBook,
        clock: Clock,
        settings: FlashsaleSettings,
    ) -> None:
        self._postgres, self._stock, self._bells = postgres, stock, bells
        self._book, self._clock, self._settings = book, clock, settings

    async def start(self) -> None:
        """Starts the lanes."""

    async def stop(self) -> None:
        """Answers everything that is in flight and stops the lanes."""

    async def reserve(self, request: ReserveRequest) -> Reserved:
        """Reserves."""
        raise Unavailable("reservations")

    async def release(self, session: WriteSession, reservation_id: UUID, user_id: str) -> Reservation:
        """Releases a hold."""
        raise Unavailable("reservations")
