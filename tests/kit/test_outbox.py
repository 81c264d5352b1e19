"""A message that must not be lost: in the transaction that makes it true, sent until it has had its effect, in order."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import MetaData, func, select, text, update

from kit.outbox import HOLDING_DELIVERIES_MAX, STUCK_DELIVERIES, Outbox, outbox_table
from kit.postgres import Postgres

KIND = "something_happened"


@pytest.fixture
async def outbox(postgres: Postgres) -> AsyncIterator[Outbox]:
    """An outbox in a schema of its own."""
    schema = f"outbox_{uuid4().hex[:12]}"
    metadata = MetaData(schema=schema)
    table = outbox_table(metadata)
    async with postgres.engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
        await connection.run_sync(metadata.create_all)
    yield Outbox(table)
    async with postgres.engine.begin() as connection:
        await connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


async def written(postgres: Postgres, outbox: Outbox, count: int = 1) -> list[UUID]:
    async with postgres.unit_of_work() as session:
        return [await outbox.write(session, KIND, {"n": n}) for n in range(count)]


async def taken(
    postgres: Postgres, outbox: Outbox, *, batch_max: int = 10, redeliver_after_seconds: float = 60.0
) -> list[UUID]:
    async with postgres.unit_of_work() as session:
        events = await outbox.take_due(
            session, batch_max=batch_max, redeliver_after_seconds=redeliver_after_seconds
        )
    return [event.event_id for event in events]


async def test_an_event_stands_or_falls_with_its_transaction(postgres: Postgres, outbox: Outbox) -> None:
    with pytest.raises(RuntimeError):
        async with postgres.unit_of_work() as session:
            await outbox.write(session, KIND, {"n": 1})
            raise RuntimeError
    assert await taken(postgres, outbox) == []
    ids = await written(postgres, outbox)
    assert await taken(postgres, outbox) == ids


async def test_batches_are_bounded_and_pass_over_what_was_just_sent(
    postgres: Postgres, outbox: Outbox
) -> None:
    ids = await written(postgres, outbox, 5)
    first = await taken(postgres, outbox, batch_max=3)
    second = await taken(postgres, outbox, batch_max=3)
    assert (set(first), set(second)) == (set(ids[:3]), set(ids[3:]))
    assert await taken(postgres, outbox) == []


async def test_what_had_no_effect_is_sent_again_and_what_had_is_not(
    postgres: Postgres, outbox: Outbox
) -> None:
    lost, effective = await written(postgres, outbox, 2)
    await taken(postgres, outbox)
    async with postgres.unit_of_work() as session:
        assert await outbox.open(session, effective) is not None
        await outbox.mark_done(session, effective)
    assert await taken(postgres, outbox, redeliver_after_seconds=0) == [lost]
    async with postgres.unit_of_work() as session:
        assert await outbox.open(session, effective) is None
        assert await outbox.open(session, uuid4()) is None


async def test_a_relay_that_fails_to_send_leaves_the_events_due(postgres: Postgres, outbox: Outbox) -> None:
    ids = await written(postgres, outbox)
    with pytest.raises(RuntimeError):
        async with postgres.unit_of_work() as session:
            await outbox.take_due(session, batch_max=10, redeliver_after_seconds=60)
            raise RuntimeError
    assert await taken(postgres, outbox) == ids


async def test_two_relays_at_once_do_not_send_the_same_event(postgres: Postgres, outbox: Outbox) -> None:
    """Control: the same two without the row locks would both have taken all of them."""
    ids = await written(postgres, outbox, 6)
    both_took = asyncio.Barrier(2)

    async def relay() -> list[UUID]:
        async with postgres.unit_of_work() as session:
            events = await outbox.take_due(session, batch_max=3, redeliver_after_seconds=60)
            await both_took.wait()
        return [event.event_id for event in events]

    async def relay_without_locks() -> list[UUID]:
        rows = outbox.table.c
        async with postgres.unit_of_work() as session:
            due = await session.scalars(select(rows.event_id).where(rows.done_at.is_(None)).limit(3))
            await both_took.wait()
        return list(due)

    unguarded = await asyncio.gather(relay_without_locks(), relay_without_locks())
    assert set(unguarded[0]) & set(unguarded[1])
    one, other = await asyncio.gather(relay(), relay())
    assert not set(one) & set(other)
    assert {*one, *other} == set(ids)


async def test_an_event_is_open_to_one_consumer_at_a_time(postgres: Postgres, outbox: Outbox) -> None:
    (event_id,) = await written(postgres, outbox)
    effects: list[str] = []

    async def consume(name: str) -> None:
        async with postgres.unit_of_work() as session:
            if await outbox.open(session, event_id) is not None:
                effects.append(name)
                await outbox.mark_done(session, event_id)

    await asyncio.gather(*(consume(f"consumer {n}") for n in range(4)))
    assert len(effects) == 1


async def test_an_event_that_never_has_its_effect_is_sent_ever_more_rarely_and_never_given_up(
    postgres: Postgres, outbox: Outbox
) -> None:
    """Sent n times, the last 100 s ago, with 15 s to the second delivery: due until that doubles beyond 100 s."""
    ids = await written(postgres, outbox, 6)
    async with postgres.unit_of_work() as session:
        for deliveries, event_id in zip((1, 2, 3, 4, 5, STUCK_DELIVERIES), ids, strict=True):
            await session.execute(
                update(outbox.table)
                .where(outbox.table.c.event_id == event_id)
                .values(deliveries=deliveries, relayed_at=func.now() - text("interval '100 seconds'"))
            )
    assert set(await taken(postgres, outbox, redeliver_after_seconds=15)) == set(ids[:3])
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(outbox.table).values(relayed_at=func.now() - text("interval '241 seconds'"))
        )
    assert set(await taken(postgres, outbox, redeliver_after_seconds=15)) == set(ids)


async def _sent(postgres: Postgres, outbox: Outbox, event_id: UUID, deliveries: int) -> None:
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(outbox.table)
            .where(outbox.table.c.event_id == event_id)
            .values(deliveries=deliveries, relayed_at=func.now())
        )


async def _about_one_thing(postgres: Postgres, outbox: Outbox) -> list[UUID]:
    async with postgres.unit_of_work() as session:
        return [await outbox.write(session, KIND, {"thing": thing}) for thing in ("a", "b", "a", "b")]


async def _done(postgres: Postgres, outbox: Outbox, event_id: UUID) -> None:
    async with postgres.unit_of_work() as session:
        await outbox.mark_done(session, event_id)


async def _before(postgres: Postgres, outbox: Outbox, event_id: UUID) -> int:
    async with postgres.read() as session:
        return await outbox.count_open_before(session, event_id, field="thing", value="a")


async def test_an_event_that_was_sent_in_vain_while_no_worker_lived_keeps_its_place(
    postgres: Postgres, outbox: Outbox
) -> None:
    """After an outage of half an hour the first is stuck; what was done before it was last sent, or stood in front of
    who asks, says nothing about it."""
    first, other, second, last = await _about_one_thing(postgres, outbox)
    await _done(postgres, outbox, last)
    await _sent(postgres, outbox, first, STUCK_DELIVERIES)
    assert await _before(postgres, outbox, second) == 1
    await _done(postgres, outbox, other)
    assert await _before(postgres, outbox, second) == 1


async def test_a_stuck_event_that_fails_by_itself_stands_aside(postgres: Postgres, outbox: Outbox) -> None:
    first, _, second, last = await _about_one_thing(postgres, outbox)
    await _sent(postgres, outbox, first, STUCK_DELIVERIES - 1)
    await _done(postgres, outbox, last)
    assert await _before(postgres, outbox, second) == 1
    await _sent(postgres, outbox, first, STUCK_DELIVERIES)
    await _done(postgres, outbox, last)
    assert await _before(postgres, outbox, second) == 0


async def test_the_last_of_all_do_not_wait_for_ever(postgres: Postgres, outbox: Outbox) -> None:
    first, _, second, _ = await _about_one_thing(postgres, outbox)
    await _sent(postgres, outbox, first, HOLDING_DELIVERIES_MAX - 1)
    assert await _before(postgres, outbox, second) == 1
    await _sent(postgres, outbox, first, HOLDING_DELIVERIES_MAX)
    assert await _before(postgres, outbox, second) == 0


async def test_a_stuck_event_is_counted(postgres: Postgres, outbox: Outbox) -> None:
    stuck, _ = await written(postgres, outbox, 2)
    async with postgres.unit_of_work() as session:
        await session.execute(
            update(outbox.table)
            .where(outbox.table.c.event_id == stuck)
            .values(deliveries=STUCK_DELIVERIES, relayed_at=func.now())
        )
    async with postgres.read() as session:
        backlog = await outbox.backlog(session)
    assert (backlog.undone, backlog.stuck) == (2, 1)
    assert backlog.oldest_age_seconds >= 0
