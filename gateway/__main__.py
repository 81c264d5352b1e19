"""`python -m gateway`: the public door. Run as many as the crowd needs; each has one event loop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import uvloop
from sqlalchemy.exc import ProgrammingError

from flashsale.board import StockBoard
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from gateway.app import create_app
from gateway.lane.lane import Lane
from gateway.limiting import Limiting
from gateway.live import LiveRoom
from gateway.overload.gate import Gate
from gateway.overload.settings import OverloadSettings
from gateway.parts import Parts
from gateway.settings import GatewaySettings, ProbeSettings
from kit.clock import Clock, StoreClock, SystemClock
from kit.doorbell import Doorbells
from kit.errors import StartRefused, Unavailable
from kit.identity import Identities, IdentitySettings
from kit.postgres import Postgres
from kit.process import run_process
from kit.provider import ProviderClient, ProviderSettings, parse_webhook_secret
from kit.reach import reach_postgres, reach_redis_role
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.signing import Keyring
from kit.storetime import following, read_time
from kit.web.health import Health, HealthServer
from kit.web.receipt import ReceiptBounds
from kit.web.serving import Door, listen, serve
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from queueing.service import RoomBoard, WaitingRoom
from queueing.settings import QueueingSettings
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings

log = structlog.get_logger()


async def main() -> None:
    """Serves until SIGTERM or SIGINT. Raises `StartRefused`."""
    settings, probe_settings = read_settings(GatewaySettings), read_settings(ProbeSettings)
    door = Door(
        "gateway",
        settings.host,
        settings.port,
        "GATEWAY_PORT",
        settings.drain_seconds,
        settings.finish_seconds_max,
    )
    bounds = ReceiptBounds(connections_max=settings.connections_max)
    health = Health()
    clock = StoreClock(SystemClock())
    listener = listen(door)
    with listener:
        probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
        async with open_parts(settings, clock) as parts:
            await _reach()
            await _look(parts, clock)
            health.ready_checks.append(parts.identities.why_not_ready)
            probes.start()
            log.info("gateway_starting", port=settings.port)
            app = create_app(parts)
            lane = Lane(parts, app.state.problems)

            def on_drain() -> None:
                parts.live.close()
                lane.drain()

            try:
                async with lane.ticking(), following(clock, parts.postgres):
                    await serve(
                        app,
                        door,
                        listener,
                        health,
                        on_drain=on_drain,
                        protocol=lane.protocol(),
                        bounds=bounds,
                    )
            finally:
                probes.stop()
                log.info("gateway_stopped")


async def _reach() -> None:
    redis_settings = read_settings(RedisSettings)
    await reach_postgres(read_settings(PostgresSettings))
    for role, url in redis_settings.room_urls.items():
        await reach_redis_role(role, url, redis_settings, wait_seconds=10.0)


async def _look(parts: Parts, clock: StoreClock) -> None:
    try:
        await parts.book.refresh(parts.postgres)
        await read_time(clock, parts.postgres)
    except ProgrammingError as error:
        raise StartRefused(
            "The database has no tables of this version: run `alembic upgrade head` with the same DATABASE_URL."
        ) from error
    except Unavailable as error:
        raise StartRefused("PostgreSQL stopped answering during the start: look at its log.") from error


@asynccontextmanager
async def open_parts(settings: GatewaySettings, clock: Clock) -> AsyncIterator[Parts]:
    """The parts, connecting at their first use; closed in reverse at the end. Raises `StartRefused`."""
    overload_settings, provider_settings, queueing_settings, flashsale_settings = (
        read_settings(OverloadSettings),
        read_settings(ProviderSettings),
        read_settings(QueueingSettings),
        read_settings(FlashsaleSettings),
    )
    identities = Identities(read_settings(IdentitySettings), clock)
    keyring = Keyring.parse(queueing_settings.keys, variable="QUEUEING_KEYS")
    webhook_secret = parse_webhook_secret(provider_settings.webhook_secret)
    if settings.local_issuer and not identities.can_issue:
        raise StartRefused("GATEWAY_LOCAL_ISSUER needs IDENTITY_KEYS to sign with: set them, or unset it.")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(identities.fetching())
        postgres = Postgres(read_settings(PostgresSettings))
        stack.push_async_callback(postgres.close)
        redis = RedisRoles.connect(read_settings(RedisSettings))
        stack.push_async_callback(redis.close)
        provider = ProviderClient(provider_settings)
        stack.push_async_callback(provider.close)
        book, rooms = SaleBook(), RoomBoard(redis.queue, clock, queueing_settings)
        doorbells = Doorbells(redis.queue)
        yield Parts(
            settings=settings,
            clock=clock,
            identities=identities,
            postgres=postgres,
            stock=redis.stock,
            book=book,
            rooms=rooms,
            stock_board=StockBoard(),
            waiting_room=WaitingRoom(redis.queue, rooms, keyring, clock, queueing_settings),
            reservations=Reservations(postgres, redis.stock, redis.queue, book, clock, flashsale_settings),
            payments=Payments(postgres, provider, redis.queue, flashsale_settings, stock=redis.stock),
            payouts=Payouts(postgres, provider, redis.queue, read_settings(RewardsSettings)),
            doorbells=doorbells,
            live=LiveRoom(postgres, doorbells, settings),
            webhook_secret=webhook_secret,
            gate=Gate(overload_settings),
            limiting=Limiting(Limits(redis.limits, read_settings(LimitSettings), clock), settings),
        )


if __name__ == "__main__":
    run_process("gateway", lambda: uvloop.run(main()))
