"""The outbox: a message that must not be lost is a row in the transaction that makes it true.

The relay (`ops.keeper`) turns rows into Dramatiq messages that carry ids only; the consumer opens the row under lock
and marks it done in its own transaction. A flushed broker therefore costs seconds: what is not done is sent again.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from kit.ids import new_id
from kit.postgres import ReadSession, WriteSession
from kit.steps import reached

# Each delivery without effect doubles the time to the next, up to sixteen times the first: a worker that is away for
# hours loses nothing and finds no storm, and an event that fails by itself costs one message every few minutes.
REDELIVERY_FACTOR_MAX: Final = 16
# From so many deliveries on (over half an hour) an event counts as stuck: it is still sent, people are told (runbook:
# outbox), and it holds nobody up any longer once it is clear that workers live and it fails by itself.
STUCK_DELIVERIES: Final = 12
# From so many on (over six hours) it holds nobody up in any case: when those behind it are the last of all, nothing
# would ever show that workers live.
HOLDING_DELIVERIES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event: `kind` in the past tense, `payload` of ids and integers."""

    event_id: UUID
    kind: str
    payload: dict[str, Any]
    deliveries: int


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """What is not done yet: how many rows, how old the oldest, how many are stuck."""

    undone: int
    oldest_age_seconds: float
    stuck: int


def outbox_table(metadata: MetaData) -> Table:
    """The table `<schema>.outbox` of the room that writes the events."""
    table = Table(
        "outbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("sequence", BigInteger, Identity(always=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("relayed_at", DateTime(timezone=True)),
        Column("deliveries", Integer, nullable=False, server_default=text("0")),
        Column("done_at", DateTime(timezone=True)),
    )
    # Only what is not done is ever searched; the index stays as small as the backlog.
    Index("ix_outbox_undone", table.c.sequence, postgresql_where=table.c.done_at.is_(None))
    return table


class Outbox:
    """The outbox of one room."""

    def __init__(self, table: Table) -> None:
        self.table = table

    async def write(self, session: WriteSession, kind: str, payload: dict[str, Any]) -> UUID:
        """Adds an event to the caller's transaction; its id."""
        event_id = new_id()
        await session.execute(self.table.insert().values(event_id=event_id, kind=kind, payload=payload))
        reached("outbox.written")
        return event_id

    async def take_due(
        self, session: WriteSession, *, batch_max: int, redeliver_after_seconds: float
    ) -> list[OutboxEvent]:
        """Up to `batch_max` events to send now, marked as relayed; rows that another relay holds are passed over.

        What was sent before is due again after `redeliver_after_seconds`, then twice that, and so on up to
        `REDELIVERY_FACTOR_MAX` times; it is never given up.
        If sending fails the caller's transaction rolls back and they stay due; if its commit is lost they are sent
        twice, which consumers bear.
        """
        rows = self.table.c
        factor = func.least(func.power(2, rows.deliveries - 1), REDELIVERY_FACTOR_MAX)
        stale = func.now() - factor * text(f"interval '{redeliver_after_seconds:f} seconds'")
        due = (
            select(rows.event_id)
            .where(rows.done_at.is_(None))
            .where(or_(rows.relayed_at.is_(None), rows.relayed_at < stale))
            .order_by(rows.sequence)
            .limit(batch_max)
            .with_for_update(skip_locked=True)
        )
        taken = await session.execute(
            update(self.table)
            .where(rows.event_id.in_(due.scalar_subquery()))
            .values(relayed_at=func.now(), deliveries=rows.deliveries + 1)
            .returning(rows.event_id, rows.kind, rows.payload, rows.deliveries)
        )
        events = [OutboxEvent(*row) for row in taken]
        if events:
            reached("outbox.relayed")
        return events

    async def open(self, session: WriteSession, event_id: UUID) -> OutboxEvent | None:
        """The event, locked until the caller's transaction ends; None when it is done or never was."""
        rows = self.table.c
        found = await session.execute(
            select(rows.event_id, rows.kind, rows.payload, rows.deliveries)
            .where(rows.event_id == event_id, rows.done_at.is_(None))
            .with_for_update()
        )
        row = found.one_or_none()
        return None if row is None else OutboxEvent(*row)

    async def count_open_before(self, session: ReadSession, event_id: UUID, *, field: str, value: str) -> int:
        """How many events about the same thing came before `event_id` and are not done.

        "Before" is the order in which events were written, of those that are committed. A stuck one does not count if
        an event behind `event_id` was done since it was last sent: workers live, and it fails by itself. While no
        worker lives deliveries grow as well, and that must not cost anybody the place.
        """
        rows = self.table.c
        own = select(rows.sequence).where(rows.event_id == event_id).scalar_subquery()
        later = self.table.alias().c
        # One look for all the events in front, and only if one of them is stuck.
        last_done = select(func.max(later.done_at)).where(later.sequence > own).scalar_subquery()
        fails_by_itself = (rows.deliveries >= STUCK_DELIVERIES) & (
            (rows.deliveries >= HOLDING_DELIVERIES_MAX)
            | (func.coalesce(last_done, text("'-infinity'")) > rows.relayed_at)
        )
        count = await session.scalar(
            select(func.count())
            .where(rows.done_at.is_(None), rows.sequence < own, not_(fails_by_itself))
            .where(rows.payload[field].astext == value)
        )
        return count or 0

    async def mark_done(self, session: WriteSession, event_id: UUID) -> None:
        """Says, in the consumer's transaction, that the event has had its effect."""
        await session.execute(
            update(self.table).where(self.table.c.event_id == event_id).values(done_at=func.now())
        )
        reached("outbox.done")

    async def backlog(self, session: ReadSession) -> OutboxBacklog:
        rows = self.table.c
        found = await session.execute(
            select(
                func.count(),
                func.coalesce(func.extract("epoch", func.now() - func.min(rows.created_at)), 0),
                func.count().filter(rows.deliveries >= STUCK_DELIVERIES),
            ).where(rows.done_at.is_(None))
        )
        undone, oldest, stuck = found.one()
        return OutboxBacklog(int(undone), float(oldest), int(stuck))
