"""The stage of the rows that break stores: one small sale, sold by two processes' services over real servers."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import update

from flashsale.sales import ItemPlan, SalePlan
from flashsale.upkeep import StockView, stock_views
from kit.clock import SystemClock
from kit.postgres import Postgres, WriteSession
from kit.settings import PostgresSettings
from ops.faults.matrix import Ground
from ops.faults.process import Bounds, Process, Ways
from ops.faults.shoppers import Bystanders, Crowd, a_crowd
from ops.faults.till import Till
from ops.faults.witness import Witness
from ops.planning.salefile import SaleFile, apply
from queueing.models import Room as WaitingRoom
from queueing.rooms import RoomPlan

SALE_ID: Final = "matrix"
SKU: Final = "phone"
OTHER_SKU: Final = "case"  # what bystanders buy
UNITS: Final = 40
SHOPPERS: Final = 60  # a fifth gives back, so that more want to keep a unit than there are
OTHER_UNITS: Final = 1_000_000
PROCESSES: Final = 2
EVERYBODY: Final = 10_000_000  # a frontier that nobody stands behind: this stage has no waiting room
SELL_SECONDS_MAX: Final = 30.0
_TEXTS: Final = {"zh-CN": {"title": "手机"}, "en": {"title": "Phone"}}


class Room:
    """One sale in mid-trial. `truth` goes straight to PostgreSQL, past whatever is broken."""

    def __init__(self, ground: Ground, processes: Sequence[Process], truth: Postgres, till: Till) -> None:
        self.ground, self.processes, self.truth, self.till = ground, processes, truth, till
        self.dice = random.Random(ground.seed)  # noqa: S311 - repeatable on purpose
        self.witness = Witness(ground.folder / "history.jsonl", SystemClock())
        self.crowd = Crowd(a_crowd(ground.seed, SHOPPERS), processes, SALE_ID, SKU, self.witness)
        self.bystanders = Bystanders(ground.seed, processes, SALE_ID, OTHER_SKU, self.witness)

    async def middle(self) -> int:
        """Returns in the middle of the sale, at a seeded moment; how many had been served by then."""
        wanted = self.dice.randint(UNITS // 8, UNITS // 2)
        async with asyncio.timeout(SELL_SECONDS_MAX):
            await self.crowd.serves(wanted)
        return self.crowd.served

    async def views(self) -> list[StockView]:
        """Each bucket of each item in the ledger and in the Redis that the first process sees."""
        async with self.truth.read() as session:
            return await stock_views(session, self.processes[0].redis.stock, SALE_ID)

    async def free_units(self) -> int:
        """Of what the shoppers want, by the ledger."""
        return sum(view.total - view.taken for view in await self.views() if view.sku == SKU)

    async def ask(self, seconds: float) -> None:
        """Bystanders keep buying for so long, so that a fault meets somebody."""
        await self.bystanders.buy(seconds, at_once=3, pause_seconds=0.005)


@asynccontextmanager
async def opened_room(ground: Ground, ways: Ways, bounds: Bounds) -> AsyncIterator[Room]:
    """A sale that is open, and the processes that sell it; nothing is in Redis yet."""
    async with AsyncExitStack() as stack:
        truth = Postgres(PostgresSettings(database_url=ground.database_url))
        stack.push_async_callback(truth.close)
        async with truth.unit_of_work() as session:
            await _open_sale(session)
        till = Till(SystemClock())
        processes = [Process(*ways.of(number), till, bounds) for number in range(PROCESSES)]
        for process in processes:
            stack.push_async_callback(process.stop)
            await process.start()
        room = Room(ground, processes, truth, till)
        stack.callback(room.witness.close)
        yield room


async def _open_sale(session: WriteSession) -> None:
    now = SystemClock().now()
    opens_at, closes_at = now - timedelta(minutes=1), now + timedelta(hours=1)
    plan = SalePlan(
        sale_id=SALE_ID,
        campaign_id="double11",
        opens_at=opens_at,
        closes_at=closes_at,
        hold_seconds=1800,
        currency="CNY",
        texts=_TEXTS,
        shown_rules={},
        items=(
            ItemPlan(sku=SKU, price_minor=1999, total=UNITS, per_user_limit=1, texts=_TEXTS),
            ItemPlan(sku=OTHER_SKU, price_minor=99, total=OTHER_UNITS, per_user_limit=1, texts=_TEXTS),
        ),
    )
    room = RoomPlan(SALE_ID, opens_at, closes_at, rate_per_second=1000)
    await apply(session, SaleFile(plan, room, ()), actor="matrix")
    await session.execute(update(WaitingRoom).values(frontier=EVERYBODY, position_mark=EVERYBODY))
