"""The one process of a trial: what a gateway, a keeper and a worker are made of, over real servers, so that a step of any
of them can be its last."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from kit.broker import create_broker
from kit.clock import Clock, SystemClock
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.signing import Keyring
from ops.keeper.duty import Duty
from ops.keeper.fence import Fence
from ops.keeper.leadership import Leadership
from ops.keeper.timetable import Timetable
from ops.worker.process import WorkerProcess
from ops.worker.settings import WorkerSettings
from queueing.service import RoomBoard, WaitingRoom
from queueing.settings import QueueingSettings

# The one moves people up, whom the trial lets in when it wants to; the other judges, as the trial itself does.
_NOT_AT_REST: Final = frozenset({"frontier", "invariants"})


@dataclass(slots=True)
class Duties:
    """The keeper's duties, led by this process and done when asked."""

    duties: dict[str, Duty]
    stores: PostgresSettings
    leader: str
    _led: dict[str, tuple[Leadership, Fence]] = field(default_factory=dict)

    @property
    def at_rest(self) -> list[str]:
        """Those that bring a sale to rest: all that the keeper has, so that a new one is swept by itself."""
        return [name for name in self.duties if name not in _NOT_AT_REST]

    async def run(self, name: str) -> int:
        """One round. Raises what a round raises, and `Unavailable` while another process leads."""
        if name not in self._led:
            leadership = Leadership(self.stores, duty=name, leader=self.leader)
            fence = await leadership.take()
            if fence is None:
                leadership.resign()
                raise Unavailable("leadership")
            self._led[name] = leadership, fence
        return await self.duties[name].round(self._led[name][1])

    def resign(self) -> None:
        for leadership, _ in self._led.values():
            leadership.resign()


@dataclass(frozen=True, slots=True)
class SaleProcess:
    """The services of the process, and what its shoppers use from outside (`provider_pages`)."""

    postgres: Postgres
    redis: RedisRoles
    book: SaleBook
    rooms: RoomBoard
    waiting_room: WaitingRoom
    reservations: Reservations
    payments: Payments
    duties: Duties
    provider_pages: httpx.AsyncClient
    webhook_secret: str
    clock: Clock


@asynccontextmanager
async def open_process(namespace: str) -> AsyncIterator[SaleProcess]:
    """Composes the process from its environment. `namespace` sets its messages apart from those of other trials."""
    stores, redis_settings, provider_settings = (
        read_settings(PostgresSettings),
        read_settings(RedisSettings),
        read_settings(ProviderSettings),
    )
    postgres, redis, clock = Postgres(stores), RedisRoles.connect(redis_settings), SystemClock()
    provider = ProviderClient(provider_settings)
    broker = create_broker(redis_settings.redis_broker_url, namespace=namespace)
    worker = WorkerProcess(broker, read_settings(WorkerSettings))
    worker.start()
    flashsale = read_settings(FlashsaleSettings)
    timetable = Timetable(postgres, postgres, redis, broker, None, flashsale)
    duties = Duties({duty.name: duty for duty in timetable.duties()}, stores, namespace)
    queueing = read_settings(QueueingSettings)
    keyring = Keyring.parse(queueing.keys, variable="QUEUEING_KEYS")
    book, rooms = SaleBook(), RoomBoard(redis.queue, clock, queueing)
    reservations = Reservations(postgres, redis.stock, redis.queue, book, clock, flashsale)
    await book.refresh(postgres)
    await reservations.start()
    pages = _pages(provider_settings.url)
    try:
        yield SaleProcess(
            postgres=postgres,
            redis=redis,
            book=book,
            rooms=rooms,
            waiting_room=WaitingRoom(redis.queue, rooms, keyring, clock, queueing),
            reservations=reservations,
            payments=Payments(postgres, provider, redis.queue, flashsale, stock=redis.stock),
            duties=duties,
            provider_pages=pages,
            webhook_secret=provider_settings.webhook_secret,
            clock=clock,
        )
    finally:
        await reservations.stop()
        duties.resign()


def _pages(url: str) -> httpx.AsyncClient:
    """The provider as shoppers see it: no call of ours, so no step. On loopback, so no certificates are read."""
    return httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False, verify=False)  # noqa: S501
