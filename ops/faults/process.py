"""The services of one gateway and of the keeper beside it, in this process, over real servers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from flashsale.facts import PaymentHandle, Reservation, Reserved, ReserveRequest
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair
from kit.clock import SystemClock
from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings
from ops.faults.matrix import Ground
from ops.faults.till import Till

# Production's bounds a few times shorter and in the same order, because a trial waits for each of them.
FLASHSALE: Final = FlashsaleSettings(
    commit_seconds_max=0.8,
    read_back_seconds_max=0.6,
    queue_seconds_max=1.0,
    stop_seconds_max=4.0,
    redis_rest_seconds=0.1,
    pending_seconds_max=1.6,
    drift_recheck_seconds=0.05,
)
POSTGRES: Final = {
    "postgres_connect_seconds": 1.0,
    "postgres_pool_wait_seconds": 0.5,
    "postgres_statement_seconds": 1.0,
}
REDIS: Final = {"redis_connect_seconds": 0.5, "redis_command_seconds": 0.5}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a trial's processes; a control may take one away."""

    postgres: dict[str, Any] = field(default_factory=lambda: dict(POSTGRES))
    redis: dict[str, Any] = field(default_factory=lambda: dict(REDIS))
    flashsale: FlashsaleSettings = FLASHSALE


@dataclass(frozen=True, slots=True)
class Ways:
    """How the processes reach their stores: the first by the first address, the second by the second, or all by one."""

    database_urls: Sequence[str]
    redis_urls: Sequence[str]

    @classmethod
    def straight(cls, ground: Ground) -> "Ways":
        return cls([ground.database_url], [ground.redis_url])

    def of(self, process: int) -> tuple[str, str]:
        """The database and the Redis of process number `process`."""
        databases, stores = self.database_urls, self.redis_urls
        return databases[process % len(databases)], stores[process % len(stores)]


class Process:
    """What shoppers reach of one gateway, and one keeper's repair."""

    def __init__(self, database_url: str, redis_url: str, till: Till, bounds: Bounds) -> None:
        self.postgres = Postgres(PostgresSettings(database_url=database_url, **bounds.postgres))
        self.redis = RedisRoles.connect(
            RedisSettings(
                redis_queue_url=redis_url,
                redis_stock_url=redis_url,
                redis_limits_url=redis_url,
                redis_broker_url=redis_url,
                **bounds.redis,
            )
        )
        self._till, settings, stock = till, bounds.flashsale, self.redis.stock
        self.book = SaleBook()
        self.reservations = Reservations(
            self.postgres, stock, self.redis.queue, self.book, SystemClock(), settings
        )
        self.payments = Payments(self.postgres, till, self.redis.queue, settings, stock=stock)
        self.repair = StockRepair(self.postgres, stock, settings)

    async def start(self) -> None:
        await self.book.refresh(self.postgres)
        await self.reservations.start()

    async def stop(self) -> None:
        await self.reservations.stop()
        await self.redis.close()
        await self.postgres.close()

    async def reserve(self, request: ReserveRequest) -> Reserved:
        return await self.reservations.reserve(request)

    async def open_payment(self, reservation_id: UUID, user_id: str) -> PaymentHandle:
        return await self.payments.open_payment(reservation_id, user_id)

    async def pay(self, handle: PaymentHandle) -> str:
        """The shopper pays at the provider, whose notice is stored here; what is not stored is sent again."""
        notice = self._till.pay(handle)
        async with self.postgres.unit_of_work() as session:
            return await self.payments.record_notice(session, notice)

    async def release(self, reservation_id: UUID, user_id: str) -> Reservation:
        async with self.postgres.unit_of_work() as session:
            return await self.reservations.release(session, reservation_id, user_id)
