"""Joining, being admitted and showing the admission, on real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.signing import Keyring
from queueing.batches import JoinBatches
from queueing.errors import (
    AdmissionInvalid,
    NotYourTurn,
    QueueUnavailable,
    RoomUnknown,
    SaleOver,
    TicketInvalid,
    TooEarly,
)
from queueing.rooms import RoomPlan, open_room
from queueing.service import find_place
from queueing.upkeep import advance, load_rooms
from tests.queueing.conftest import Door

MakeDoor = Callable[[], Awaitable[Door]]


async def test_positions_are_given_in_the_order_of_asking_without_a_hole(
    opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    tickets = [await door.room.join(opened.sale_id, f"user-{n}") for n in range(20)]
    assert [ticket.position for ticket in tickets] == list(range(20))
    assert all(ticket.first for ticket in tickets)


async def test_asking_again_gives_the_same_place_and_says_so(opened: RoomPlan, make_door: MakeDoor) -> None:
    door = await make_door()
    first = await door.room.join(opened.sale_id, "ann")
    again = await door.room.join(opened.sale_id, "ann")
    assert (again.position, again.first) == (first.position, False)


async def test_the_desk_finds_a_place_and_says_none_for_a_stranger(
    opened: RoomPlan, make_door: MakeDoor, redis_roles: RedisRoles
) -> None:
    door = await make_door()
    await door.room.join(opened.sale_id, "first")
    await door.room.join(opened.sale_id, "second")
    assert await find_place(redis_roles.queue, opened.sale_id, "second") == 1
    assert await door.room.find_place(opened.sale_id, "stranger") is None


async def test_an_unknown_sale_has_no_room(opened: RoomPlan, make_door: MakeDoor) -> None:
    door = await make_door()
    with pytest.raises(RoomUnknown):
        await door.room.join("no-such-sale", "ann")


async def test_nobody_is_let_in_before_the_frontier_passes(
    opened: RoomPlan, make_door: MakeDoor, redis_roles: RedisRoles
) -> None:
    door = await make_door()
    ticket = await door.room.join(opened.sale_id, "ann")
    with pytest.raises(NotYourTurn) as refused:
        door.room.admit(opened.sale_id, "ann", ticket.token)
    assert refused.value.retry_after_seconds is not None
    assert refused.value.facts["position"] == 0
    await advance(redis_roles.queue, [opened.sale_id], fence=1)
    await door.board.refresh()
    admission = door.room.admit(opened.sale_id, "ann", ticket.token)
    facts = door.room.verify_admission(admission.token)
    assert (facts.sale_id, facts.user_id, facts.position) == (opened.sale_id, "ann", 0)
    assert facts.admission_id == admission.admission_id.bytes
    assert facts.expires_at == admission.expires_at.timestamp()


async def test_tickets_are_given_before_the_start_but_admissions_are_not(
    postgres: Postgres, redis_roles: RedisRoles, make_door: MakeDoor, sale_id: str
) -> None:
    now = datetime.now(UTC)
    await _open(
        postgres, redis_roles, RoomPlan(sale_id, now + timedelta(minutes=5), now + timedelta(hours=1), 10)
    )
    door = await make_door()
    ticket = await door.room.join(sale_id, "ann")
    step = (await advance(redis_roles.queue, [sale_id], fence=1))[sale_id]
    assert (step.outcome, step.frontier) == ("stands", 0)
    with pytest.raises(NotYourTurn) as refused:
        door.room.admit(sale_id, "ann", ticket.token)
    assert refused.value.retry_after_seconds == 60


async def test_tickets_are_not_given_before_the_prequeue(
    postgres: Postgres, redis_roles: RedisRoles, make_door: MakeDoor, sale_id: str
) -> None:
    now = datetime.now(UTC)
    await _open(
        postgres, redis_roles, RoomPlan(sale_id, now + timedelta(hours=3), now + timedelta(hours=4), 10)
    )
    door = await make_door()
    assert door.board.view(sale_id).state == "scheduled"
    with pytest.raises(TooEarly) as refused:
        await door.room.join(sale_id, "ann")
    assert refused.value.retry_after_seconds is not None
    assert 7000 < refused.value.retry_after_seconds <= 7200


async def test_after_closing_there_are_neither_tickets_nor_admissions(
    opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    ticket = await door.room.join(opened.sale_id, "ann")
    door.clock.step(7200)
    with pytest.raises(SaleOver):
        await door.room.join(opened.sale_id, "bob")
    with pytest.raises(SaleOver):
        door.room.admit(opened.sale_id, "ann", ticket.token)


async def test_redis_decides_by_its_own_time_that_a_sale_is_over(
    postgres: Postgres, redis_roles: RedisRoles, sale_id: str
) -> None:
    now = datetime.now(UTC)
    await _open(
        postgres, redis_roles, RoomPlan(sale_id, now - timedelta(hours=2), now - timedelta(seconds=1), 10)
    )
    assert (await JoinBatches(redis_roles.queue).join(sale_id, "late", seen=0)).outcome == "over"


async def test_a_ticket_serves_its_owner_in_its_sale_alone(opened: RoomPlan, make_door: MakeDoor) -> None:
    door = await make_door()
    ticket = await door.room.join(opened.sale_id, "ann")
    for token in (ticket.token, ticket.token[:-2], "", "a.b.c", "x" * 5000, ticket.token + "é"):
        with pytest.raises(TicketInvalid):
            door.room.admit(opened.sale_id, "bob", token)


async def test_an_admission_expires_with_its_time_and_never_outlives_the_sale(
    opened: RoomPlan, make_door: MakeDoor, redis_roles: RedisRoles
) -> None:
    door = await make_door()
    ticket = await door.room.join(opened.sale_id, "ann")
    await advance(redis_roles.queue, [opened.sale_id], fence=1)
    await door.board.refresh()
    admission = door.room.admit(opened.sale_id, "ann", ticket.token)
    door.clock.step(301)
    with pytest.raises(AdmissionInvalid) as refused:
        door.room.verify_admission(admission.token)
    assert refused.value.reason == "expired"
    door.clock.instant = opened.closes_at - timedelta(seconds=10)
    assert door.room.admit(opened.sale_id, "ann", ticket.token).expires_at <= opened.closes_at


async def test_a_ticket_never_passes_as_an_admission(
    opened: RoomPlan, make_door: MakeDoor, keyring: Keyring
) -> None:
    door = await make_door()
    ticket = await door.room.join(opened.sale_id, "ann")
    reasons = set()
    for token in (ticket.token, "k9.aaaa.bbbb", "nonsense", keyring.sign("admission", b"\xc1")):
        with pytest.raises(AdmissionInvalid) as refused:
            door.room.verify_admission(token)
        reasons.add(refused.value.reason)
    assert reasons == {"bad_signature", "unknown_key", "malformed"}


async def test_before_the_first_look_at_redis_the_room_is_away_not_unknown(
    opened: RoomPlan, make_door: MakeDoor
) -> None:
    door = await make_door()
    door.board._seen_at, door.board._views = None, {}
    with pytest.raises(QueueUnavailable):
        door.board.view(opened.sale_id)


async def test_concurrent_joins_of_one_user_get_one_place(opened: RoomPlan, make_door: MakeDoor) -> None:
    doors = [await make_door() for _ in range(4)]
    tickets = await asyncio.gather(
        *(door.room.join(opened.sale_id, "ann") for door in doors for _ in range(10))
    )
    assert {ticket.position for ticket in tickets} == {0}
    assert sum(ticket.first for ticket in tickets) == 1
    assert doors[0].board.view(opened.sale_id).sale_id == opened.sale_id


async def _open(postgres: Postgres, roles: RedisRoles, plan: RoomPlan) -> None:
    async with postgres.unit_of_work() as session:
        await open_room(session, plan)
    await load_rooms(postgres, roles.queue)
