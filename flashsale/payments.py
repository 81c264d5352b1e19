"""Paying, confirming, refunding."""

from uuid import UUID

from redis.asyncio import Redis

from flashsale.facts import PaymentFacts, PaymentHandle
from flashsale.readings import list_payments
from flashsale.settings import FlashsaleSettings
from kit.errors import Unavailable
from kit.postgres import Postgres, WriteSession
from kit.provider import PaymentNotice, ProviderClient

__all__ = ["PaymentFacts", "PaymentHandle", "Payments", "list_payments", "take_due_refunds"]


class Payments:
    """The payment service of one process."""

    def __init__(
        self,
        postgres: Postgres,
        provider: ProviderClient,
        bells: Redis,
        settings: FlashsaleSettings,
        *,
        stock: Redis | None = None,
    ) -> None:
        self._postgres, self._provider, self._bells = postgres, provider, bells
        self._settings, self._stock = settings, stock

    async def open_payment(self, reservation_id: UUID, user_id: str) -> PaymentHandle:
        """Opens."""
        raise Unavailable("provider")

    async def record_notice(self, session: WriteSession, notice: PaymentNotice) -> str:
        """Records."""
        raise Unavailable("provider")

    async def refund(self, payment_id: UUID) -> str:
        """Refunds."""
        raise Unavailable("provider")


async def take_due_refunds(session: WriteSession, batch_max: int) -> list[UUID]:
    """Due refunds."""
    return []
