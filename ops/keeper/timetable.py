"""The duties: what each does in one round. Every write is fenced, every batch is bounded, every round may run twice."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from dramatiq import Broker
from sqlalchemy import text

from flashsale import metrics as flashsale_metrics
from flashsale.dues import count_needing_people, take_due_asks, take_due_refunds
from flashsale.events import RESERVATION_CONFIRMED, outbox
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair, expire_due
from kit.postgres import Postgres, WriteSession
from kit.redis import RedisRoles
from ops.invariants import metrics as invariant_metrics
from ops.invariants.book import ProviderBook
from ops.invariants.judge import judge
from ops.keeper import metrics
from ops.keeper.bells import Bells
from ops.keeper.duty import Duty
from ops.keeper.fence import Fence, LeadershipLost, fenced_unit_of_work
from ops.keeper.pulse import Pulse, pace_of
from queueing import upkeep as rooms
from queueing.rooms import list_rooms
from rewards.payout_rows import take_due as take_due_payouts

EXPIRE_BATCH_MAX: Final = (
    500  # one transaction of some tens of milliseconds; a hot item row is locked meanwhile
)
RING_BATCH_MAX: Final = 200  # about as many rings as a broker takes in a tenth of a second
# A confirmed reservation whose reward was not granted by then is announced again: longer than a message may run.
REDELIVER_SECONDS: Final = 15.0
# A word in the log of PostgreSQL: it changes no table, and its commit waits for the disk, and for a synchronous standby.
_DURABLE_WORD: Final = text("SELECT pg_logical_emit_message(true, 'floodgate', 'pulse')")

TakeDue = Callable[[WriteSession, int], Awaitable[list[UUID]]]


@dataclass(slots=True)
class Timetable:
    """The stores of one keeper process, and the duties on them. `judging` is the same PostgreSQL, with more patience."""

    postgres: Postgres
    judging: Postgres
    redis: RedisRoles
    broker: Broker
    book: ProviderBook | None
    flashsale: FlashsaleSettings
    pulse: Pulse = field(init=False)
    _sale_ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self._look_at_rooms)

    def duties(self) -> list[Duty]:
        """Every duty with its interval and bounds; the reasons stand beside the numbers above."""
        grants = self._bells("grant_rewards", "rewards", "event_id")
        payouts = self._ringing(take_due_payouts, self._bells("pay_reward", "payouts", "payout_id"))
        refunds = self._ringing(take_due_refunds, self._bells("refund_payment", "refunds", "payment_id"))
        asks = self._ringing(take_due_asks, self._bells("ask_payment", "payments", "payment_id"))
        return [
            Duty("frontier", 0.25, 3, 1_000, self._advance),
            Duty("rooms", 1, 8, 1_000, self._keep_rooms),
            Duty("hold_expiry", 1, 8, EXPIRE_BATCH_MAX, self._expire),
            Duty("outbox_relay", 0.2, 8, RING_BATCH_MAX, lambda fence: self._relay(fence, grants)),
            Duty("payout_ring", 0.5, 8, RING_BATCH_MAX, payouts),
            Duty("refund_ring", 1, 8, RING_BATCH_MAX, refunds),
            Duty("payment_ask", 1, 8, RING_BATCH_MAX, asks),
            # Loading an item with a hundred thousand buyers takes seconds, and judging millions of sold rows a minute or two:
            # the sale that is sold meanwhile needs the same PostgreSQL more.
            Duty("stock_repair", 2, 60, 1_000_000, self._repair_stock),
            Duty("invariants", 10, 240, 1_000, self._judge, share_max=0.25),
        ]

    def _bells(self, actor_name: str, queue_name: str, id_name: str) -> Bells:
        return Bells(self.broker, actor_name=actor_name, queue_name=queue_name, id_name=id_name)

    async def _advance(self, fence: Fence) -> int:
        """Waits for PostgreSQL only while it knows of no room: a step must not wait for what it is to notice."""
        if not self._sale_ids:
            await self._look_at_rooms()
        pace = pace_of(self.pulse.beat())
        metrics.admission_pace.set(pace)
        steps = await rooms.advance(self.redis.queue, self._sale_ids, fence.number, pace=pace)
        if any(step.outcome == "fenced" for step in steps.values()):
            raise LeadershipLost(fence.duty)
        return sum(step.outcome == "advanced" for step in steps.values())

    async def _look_at_rooms(self) -> None:
        """Reads which rooms there are, and takes the pulse with it. Raises `Unavailable`."""
        async with self.postgres.unit_of_work() as session:
            self._sale_ids = [room.sale_id for room in await list_rooms(session)]
            await session.execute(_DURABLE_WORD)

    async def _keep_rooms(self, fence: Fence) -> int:
        await rooms.load_rooms(self.postgres, self.redis.queue)
        async with fenced_unit_of_work(self.postgres, fence) as session:
            return await rooms.persist_marks(session, self.redis.queue)

    async def _expire(self, fence: Fence) -> int:
        async with fenced_unit_of_work(self.postgres, fence) as session:
            return await expire_due(session, self.redis.stock, batch_max=EXPIRE_BATCH_MAX)

    async def _relay(self, fence: Fence, bells: Bells) -> int:
        """Rings before it commits: a broker that is away rolls back, and a commit that is lost rings twice."""
        async with fenced_unit_of_work(self.postgres, fence) as session:
            events = await outbox.take_due(
                session, batch_max=RING_BATCH_MAX, redeliver_after_seconds=REDELIVER_SECONDS
            )
            await bells.ring_all(event.event_id for event in events if event.kind == RESERVATION_CONFIRMED)
            return len(events)

    def _ringing(self, take_due: TakeDue, bells: Bells) -> Callable[[Fence], Awaitable[int]]:
        async def ring_due(fence: Fence) -> int:
            async with fenced_unit_of_work(self.postgres, fence) as session:
                due = await take_due(session, RING_BATCH_MAX)
                await bells.ring_all(due)
                return len(due)

        return ring_due

    async def _repair_stock(self, fence: Fence) -> int:
        """Fenced by itself: every load of an item has an epoch, and an older epoch is refused."""
        report = await StockRepair(self.postgres, self.redis.stock, self.flashsale).run_once()
        return report.reloaded

    async def _judge(self, fence: Fence) -> int:
        """Reads only; two at once would both be right."""
        rows = await judge(self.judging, self.redis.stock, self.redis.queue, self.book)
        invariant_metrics.observe(rows)
        async with self.postgres.read() as session:
            backlog = await outbox.backlog(session)
            flashsale_metrics.PAYMENTS_NEED_PEOPLE.set(await count_needing_people(session))
        metrics.outbox_undone.set(backlog.undone)
        metrics.outbox_oldest_age_seconds.set(backlog.oldest_age_seconds)
        metrics.outbox_stuck.set(backlog.stuck)
        return len(rows)
