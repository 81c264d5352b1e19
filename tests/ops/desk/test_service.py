"""The desk on real stores: what it answers, from one instant, and that no look goes unwritten."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from flashsale.errors import ReservationUnknown, SaleUnknown
from kit.postgres import Postgres, ReadSession
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from ops.desk import gather, readings
from ops.desk.places import place_finder
from ops.desk.rules import Reason, State, Verdict, find_verdict
from ops.desk.service import Desk
from ops.desk.steps import list_steps
from ops.desk.view import show
from ops.models import AuditEntry
from queueing import keys as queue_keys
from tests.ops.desk.conftest import AGENT
from tests.ops.invariants.scene import BUYER, LATE, REFUSED, Scene

PHONE = "13800138000"


async def verdict(scene: Scene, desk: Desk, user_id: str) -> Verdict:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, user_id, sale_id=scene.sale_id)
    (facts,) = answer.sales
    return find_verdict(facts)


async def take_place(roles: RedisRoles, sale_id: str, user_id: str, position: int) -> None:
    bucket, digest = queue_keys.place(sale_id, user_id)
    await roles.queue.hset(bucket, digest, position)  # type: ignore[call-overload, misc]


async def test_a_buyer_whose_reward_was_sent(scene: Scene, desk: Desk) -> None:
    assert await verdict(scene, desk, BUYER) == Verdict(State.REWARDED, Reason.REWARD_SENT)


async def test_a_late_payer_whose_money_went_back(scene: Scene, desk: Desk) -> None:
    assert await verdict(scene, desk, LATE) == Verdict(State.REFUNDED, Reason.MONEY_RETURNED)


async def test_who_stood_in_line_until_all_was_gone(
    scene: Scene, desk: Desk, redis_roles: RedisRoles
) -> None:
    assert await verdict(scene, desk, REFUSED) == Verdict(State.NOT_TAKING_PART, Reason.NEVER_JOINED)
    await take_place(redis_roles, scene.sale_id, REFUSED, 2)
    assert await verdict(scene, desk, REFUSED) == Verdict(State.MISSED, Reason.SOLD_OUT)


async def test_a_reward_that_is_being_worked_out(scene: Scene, desk: Desk) -> None:
    await scene.plant("UPDATE flashsale.outbox SET done_at = NULL WHERE event_id = :event")
    assert await verdict(scene, desk, BUYER) == Verdict(State.BOUGHT, Reason.REWARD_BEING_JUDGED)


async def test_a_waiting_room_that_is_away_costs_the_place_and_not_the_answer(scene: Scene) -> None:
    away = connect("redis://127.0.0.1:1/0", RedisSettings(), purpose="queue")
    desk = Desk(place_finder(away))
    assert await verdict(scene, desk, BUYER) == Verdict(State.REWARDED, Reason.REWARD_SENT)
    assert await verdict(scene, desk, REFUSED) == Verdict(State.NOTHING_BOUGHT, Reason.LINE_UNREACHABLE)
    await away.aclose()


async def test_a_place_that_redis_forgot_is_known_from_the_reservation(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, BUYER, sale_id=scene.sale_id)
    assert answer.sales[0].line.position == 1


async def test_every_step_has_its_time_and_admission_is_one_of_them(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, BUYER, sale_id=scene.sale_id)
    codes = [step.code for step in list_steps(answer.sales[0])]
    assert {"admitted", "held", "payment_opened", "paid", "confirmed", "reward_earned", "payout_tried", "reward_sent"} <= set(codes)  # fmt: skip


async def test_without_a_sale_the_shoppers_own_sales_are_shown(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, BUYER)
    assert scene.sale_id in {facts.sale.sale_id for facts in answer.sales}


async def test_an_unknown_sale_is_said_to_be_unknown(scene: Scene, desk: Desk) -> None:
    with pytest.raises(SaleUnknown):
        async with scene.postgres.unit_of_work() as session:
            await desk.look_up(session, AGENT, BUYER, sale_id="no-such-sale")


async def entries(postgres: Postgres, wanted: Any) -> list[AuditEntry]:
    async with postgres.read() as session:
        return list(await session.scalars(select(AuditEntry).where(wanted)))


async def test_a_look_is_written_down_with_the_answer(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, BUYER, sale_id=scene.sale_id)
    (entry,) = await entries(scene.postgres, AuditEntry.entry_id == answer.audit_id)
    assert (entry.actor, entry.action, entry.subject) == ("agent-7", "desk_lookup", f"user/{BUYER}")
    assert entry.details["roles"] == ["cs_agent"]
    assert entry.details["sale_id"] == scene.sale_id


async def test_an_audit_row_that_cannot_be_written_leaves_no_answer(
    scene: Scene, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("ops.desk.service.write_audit", refuse)
    with pytest.raises(RuntimeError):
        async with scene.postgres.unit_of_work() as session:
            await desk.look_up(session, AGENT, BUYER)


async def phone_reservation(scene: Scene, phone: str) -> None:
    await scene.plant(
        f"UPDATE flashsale.reservations SET phone = '{phone}' WHERE reservation_id IN (:won, :lost)"
    )


async def test_a_phone_finds_exactly_its_shoppers_and_is_never_shown(scene: Scene, desk: Desk) -> None:
    phone = f"139{uuid4().int % 10**8:08d}"
    await phone_reservation(scene, phone)
    async with scene.postgres.unit_of_work() as session:
        found = await desk.search_phone(session, AGENT, phone)
    assert {answer.user_id for answer in found.answers} == {BUYER, LATE}
    shown = "".join(show(answer, "zh-CN").model_dump_json() for answer in found.answers)
    assert phone not in shown
    assert f"139****{phone[-4:]}" in shown
    (entry,) = await entries(scene.postgres, AuditEntry.entry_id == found.audit_id)
    assert phone not in str(entry.details)
    assert entry.details["phone"] == f"139****{phone[-4:]}"
    assert entry.details["found"] == 2


async def test_a_part_of_a_phone_finds_nobody(scene: Scene, desk: Desk) -> None:
    phone = f"139{uuid4().int % 10**8:08d}"
    await phone_reservation(scene, phone)
    async with scene.postgres.unit_of_work() as session:
        found = await desk.search_phone(session, AGENT, phone[:-1])
    assert found.answers == []
    assert await entries(scene.postgres, AuditEntry.entry_id == found.audit_id)


async def test_a_user_id_that_is_a_phone_is_masked_in_answer_and_audit(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        answer = await desk.look_up(session, AGENT, PHONE)
    assert PHONE not in show(answer, "en").model_dump_json()
    (entry,) = await entries(scene.postgres, AuditEntry.entry_id == answer.audit_id)
    assert entry.subject == "user/138****8000"
    assert PHONE not in str(entry.details)


async def test_a_reservation_finds_its_shopper(scene: Scene, desk: Desk) -> None:
    async with scene.postgres.unit_of_work() as session:
        found = await desk.search_reservation(session, AGENT, scene.ids["won"])
    assert [answer.user_id for answer in found.answers] == [BUYER]
    with pytest.raises(ReservationUnknown):
        async with scene.postgres.unit_of_work() as session:
            await desk.search_reservation(session, AGENT, uuid4())


SET_PAID = "UPDATE flashsale.payments SET state = 'paid', serves = reservation_id WHERE payment_id = :payment"
SET_CONFIRMED = """
UPDATE flashsale.reservations SET state = 'confirmed', end_reason = 'paid', ended_at = now() WHERE reservation_id = :won
"""


@pytest.mark.breaks("budget_never_negative")  # it grants with a row alone
@pytest.mark.parametrize("held_still", [True, False])
async def test_a_payment_between_two_reads_is_seen_whole_or_not_at_all(
    scene: Scene, desk: Desk, monkeypatch: pytest.MonkeyPatch, *, held_still: bool
) -> None:
    """Goal: no answer from two instants. Method: confirm between two reads; the control reads without holding still."""
    await scene.plant("DELETE FROM rewards.grants WHERE grant_id = :grant")
    await scene.plant(
        "UPDATE flashsale.reservations SET state = 'held', end_reason = NULL, ended_at = NULL WHERE reservation_id = :won"
    )
    await scene.plant(
        "UPDATE flashsale.payments SET state = 'created', serves = NULL WHERE payment_id = :payment"
    )
    read_payments = gather.list_payments

    async def confirmed_meanwhile(session: ReadSession, user_id: str, **options: Any) -> Any:
        await scene.plant(SET_PAID)
        await scene.plant(SET_CONFIRMED)
        return await read_payments(session, user_id, **options)

    monkeypatch.setattr(gather, "list_payments", confirmed_meanwhile)
    if not held_still:

        async def only_now(session: ReadSession) -> Any:
            return await session.scalar(text("SELECT now()"))

        monkeypatch.setattr(readings, "hold_still", only_now)
    state = (await verdict(scene, desk, BUYER)).state
    assert (state is State.HOLDING) if held_still else (state is State.NEEDS_ATTENTION)
