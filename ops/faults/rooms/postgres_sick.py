"""D2 to D5: PostgreSQL is slow, locked, deadlocked, out of connections, read-only, or a stale copy.

Everybody is told in time, nothing is acknowledged that is not durable, and nothing is decided on a copy.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

import asyncpg

from kit.embedded.wire import Wire
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground
from ops.faults.ownpostgres import OwnPostgres, on_its_own, own_postgres
from ops.faults.process import FLASHSALE, POSTGRES, Bounds, Ways
from ops.faults.room import OTHER_SKU, SKU, Room
from ops.faults.shoppers import ANSWER_SECONDS_MAX
from ops.faults.waiting import wait_until

LOCK_SECONDS: Final = 1.2  # longer than a commit may take
LOOKS: Final = 12
BUY_SECONDS: Final = 3.0
BUYERS: Final = 8
IDLE_SECONDS: Final = 0.5
ASK_SECONDS: Final = 0.4
# Both processes' pools together need less than there are, as in production.
_FEW: Final = Bounds(
    postgres={**POSTGRES, "postgres_pool_connections_max": 3, "postgres_driver_connections_max": 2}
)
_LOCK: Final = "SELECT 1 FROM flashsale.buckets WHERE sku = $1 FOR UPDATE"
_WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def _hold_lock(room: Room, seconds: float) -> str:
    served = await room.middle()
    url = room.ground.database_url
    async with _connected(url) as holder, _connected(url) as eye, holder.transaction():
        await holder.fetch(_LOCK, SKU)
        waiting = 0
        for _ in range(LOOKS):
            await asyncio.sleep(seconds / LOOKS)
            waiting = max(waiting, await eye.fetchval(_WAITING))
    return (
        f"the item was locked for {seconds:g} s at {served} served, {waiting} waited for it"
        if waiting
        else ""
    )


async def _locked(ground: Ground) -> Found:
    return await hold(ground, lambda room: _hold_lock(room, LOCK_SECONDS))


async def _locked_without_bounds(ground: Ground) -> Found:
    """Nobody gives up waiting for the lock."""
    patient = 10 * ANSWER_SECONDS_MAX
    bounds = Bounds(
        postgres={**POSTGRES, "postgres_statement_seconds": patient},
        flashsale=FLASHSALE.model_copy(update={"commit_seconds_max": 60.0, "queue_seconds_max": 30.0}),
    )
    return await hold(
        ground, lambda room: _hold_lock(room, ANSWER_SECONDS_MAX + 2), bounds=bounds, repairing=False
    )


async def _deadlock(ground: Ground) -> Found:
    """A stranger takes the two items in the other order; the batch, which looks first, is PostgreSQL's victim."""
    async with _connected(ground.database_url) as administrator:
        name = await administrator.fetchval("SELECT current_database()")
        await administrator.execute(f'ALTER DATABASE "{name}" SET deadlock_timeout = 250')

        async def inject(room: Room) -> str:
            seen = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            async with asyncio.TaskGroup() as group, _connected(ground.database_url) as stranger:
                # From the beginning, so that whatever batch the crowd is in has both items: the sale may be over in one.
                buying = group.create_task(room.bystanders.buy(BUY_SECONDS, at_once=BUYERS))
                await room.crowd.serves(room.dice.randint(1, 4))
                served = room.crowd.served
                await stranger.execute("SET deadlock_timeout = 30000; SET statement_timeout = 3000")
                while not await administrator.fetchval(seen) and not buying.done():
                    await _cross(stranger, administrator)
            deadlocks = await administrator.fetchval(seen)
            return f"{deadlocks} deadlocks from {served} served on" if deadlocks else ""

        return await hold(ground, inject)


async def _cross(stranger: asyncpg.Connection, eye: asyncpg.Connection) -> None:
    """Waits, with one item, until somebody who has the other waits for it; then asks for the other."""

    async def somebody_waits() -> bool:
        if not await eye.fetchval(_WAITING):
            return False
        try:
            await eye.fetch(f"{_LOCK} NOWAIT", OTHER_SKU)
        except asyncpg.LockNotAvailableError:
            return True
        return False

    with suppress(asyncpg.PostgresError, TimeoutError):
        async with stranger.transaction():
            await stranger.fetch(_LOCK, SKU)
            await wait_until(somebody_waits, ASK_SECONDS / 2)
            await stranger.fetch(_LOCK, OTHER_SKU)


async def _crowded_out(room: Room, postgres: OwnPostgres) -> str:
    served = await room.middle()
    async with AsyncExitStack() as stack:
        administrator = await stack.enter_async_context(_connected(postgres.url))
        taken, ended = 0, 0
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                await stack.enter_async_context(_connected(postgres.url))
                taken += 1
        ended = await administrator.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'floodgate'"
        )
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                await stack.enter_async_context(_connected(postgres.url))
                taken += 1
        await room.ask(ASK_SECONDS)
    return f"{taken} idle connections from {served} served on, {ended} of ours ended" if ended else ""


async def _idle_in_transaction(room: Room, postgres: OwnPostgres) -> str:
    """A process of ours that stands still in mid-transaction; what every connection of ours asks for ends it."""
    served = await room.middle()
    timeout = str(int(IDLE_SECONDS * 1000))
    stalled = await asyncpg.connect(
        postgres.url, server_settings={"idle_in_transaction_session_timeout": timeout}
    )
    try:
        await stalled.execute("BEGIN")
        await stalled.fetch(_LOCK, SKU)
        await room.ask(3 * IDLE_SECONDS)
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            await stalled.fetchval("SELECT 1")
            return ""
        return f"a session stood still with the item's lock at {served} served, ended after {timeout} ms"
    finally:
        stalled.terminate()


async def _read_only(room: Room, postgres: OwnPostgres) -> str:
    """The primary becomes a standby, as after a change of roles that the processes have not heard of."""
    served = await room.middle()
    await postgres.stop()
    await postgres.make_standby()
    await postgres.start()
    standby = await postgres.ask("SELECT pg_is_in_recovery()")
    await room.ask(ASK_SECONDS)
    await postgres.ask("SELECT pg_promote()")
    return f"read-only from {served} served on, until it was promoted" if standby else ""


async def _stale_copy(ground: Ground) -> Found:
    """The second process is led to a copy that has stood still since the middle of the sale."""
    async with own_postgres(ground) as postgres, Wire(postgres.url) as straight, Wire(postgres.url) as astray:
        stale = OwnPostgres((ground.folder / "stale").resolve())

        async def inject(room: Room) -> str:
            served = await room.middle()
            await postgres.stop()
            await stale.copy_of(postgres.folder)
            await stale.make_standby()
            await asyncio.gather(postgres.start(), stale.start())
            astray.lead_to(stale.url)
            astray.cut()
            await room.ask(2 * ASK_SECONDS)
            asked = await stale.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'floodgate'"
            )
            astray.lead_to(postgres.url)
            astray.cut()
            return f"a copy of when {served} were served was asked over {asked} connections" if asked else ""

        try:
            own = replace(ground, database_url=postgres.url)
            return await hold(own, inject, Ways([straight.url, astray.url], [ground.redis_url]))
        finally:
            await stale.stop(signal.SIGQUIT)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


ROWS: Final = (
    FaultRow("D2.lock_held", "somebody holds the item's lock for longer than a commit may take",
             "有人占住商品行锁，超过提交上限", "room", _locked, _locked_without_bounds),
    FaultRow("D2.deadlock", "a stranger locks the items in the other order, and the batch is the victim",
             "外来事务以相反顺序加锁，批次成为死锁牺牲者", "room", _deadlock),
    FaultRow("D3.connections_exhausted", "PostgreSQL has no connection left, and ours are ended",
             "PostgreSQL 连接耗尽且现有连接被断开", "room",
             on_its_own(_crowded_out, "max_connections = 24\n", _FEW)),
    FaultRow("D3.idle_in_transaction", "a session stands still with the item's lock",
             "持锁会话停在事务之中", "room", on_its_own(_idle_in_transaction)),
    FaultRow("D4.read_only", "PostgreSQL is read-only, as a standby", "PostgreSQL 只读（变为备库）", "room",
             on_its_own(_read_only)),
    FaultRow("D5.stale_replica", "a process is led to a copy that has stood still",
             "某进程被引到停滞的副本", "room", _stale_copy),
)  # fmt: skip
