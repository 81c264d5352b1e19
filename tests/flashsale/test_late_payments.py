"""Money and deadlines that cross: a hold ends once, late money is served or sent back: never neither, never both."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from flashsale import attempts, models, regrants
from flashsale.committer import GroupCommitter
from flashsale.dues import take_due_refunds
from flashsale.facts import PaymentHandle
from flashsale.payments import Payments
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import expire_due
from kit.postgres import Postgres, WriteSession
from kit.provider import ProviderRefused, ProviderUnknown
from kit.redis import RedisRoles
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.paying import Held, Provider, a_notice, events_of, expire, payments_of, read, tell
from tests.flashsale.scenes import Shop, a_plan, a_request, a_wish, an_item


async def _expire_amid_notice(
    shop: Shop, payments: Payments, handle: PaymentHandle, monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> str:
    """A notice reads the hold; before it writes, the expiry runs to its end, if the lock lets it."""
    lock_reservation = attempts.lock_reservation

    async def look_and_be_overtaken(session: WriteSession, reservation_id: UUID) -> models.Reservation:
        if locked:
            row = await lock_reservation(session, reservation_id)
        else:
            row = await session.get_one(models.Reservation, reservation_id)
        async with shop.postgres.unit_of_work() as other:
            await expire_due(other, shop.stock, batch_max=100)
        return row

    monkeypatch.setattr(attempts, "lock_reservation", look_and_be_overtaken)
    await shop.overdue(handle.reservation_id)
    return await tell(payments, shop.postgres, a_notice(handle))


async def test_a_late_payment_is_served_with_new_units_if_there_are_any(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    await expire(held.shop, held.id)
    assert await held.shop.available() == 1
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "regranted"
    ended = await read(held.shop, held.id)
    assert ended.regranted_as is not None
    regrant = await read(held.shop, ended.regranted_as)
    assert (ended.state, regrant.state, regrant.end_reason) == ("expired", "confirmed", "late_payment")
    assert regrant.regrant_of == held.id
    (event,) = await events_of(held.shop)
    assert event.reservation_id == regrant.reservation_id
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.serves) == ("paid", regrant.reservation_id)
    assert (await held.shop.taken(), await held.shop.units(), await held.shop.available()) == (1, 1, 0)


async def test_a_late_payment_for_what_is_sold_by_now_is_refunded(
    held: Held, payments: Payments, provider: Provider
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    await expire(held.shop, held.id)
    await held.service.reserve(a_request(held.shop.sale_id, "bob"))
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "refund_due"
    async with held.shop.postgres.unit_of_work() as session:
        assert handle.payment_id in await take_due_refunds(session, 100)
    async with held.shop.postgres.unit_of_work() as session:
        assert handle.payment_id not in await take_due_refunds(session, 100)
    provider.fails_with = ProviderUnknown("timeout")
    assert await payments.refund(handle.payment_id) == "unknown"
    provider.fails_with = ProviderRefused("closed")
    assert await payments.refund(handle.payment_id) == "declined"
    provider.fails_with = None
    assert await payments.refund(handle.payment_id) == "refunded"
    assert await payments.refund(handle.payment_id) == "not_due"
    assert {key for path, key in provider.asked if path == "/refunds"} == {f"refund-{handle.payment_id}"}
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason, payment.serves) == ("refunded", "sold_out", None)
    assert await events_of(held.shop) == []


async def test_late_payments_of_a_crowd_are_each_served_or_refunded_and_never_both(
    open_shop: OpenShop, start_service: StartService, payments: Payments
) -> None:
    shop = await open_shop(an_item(total=12))
    service = await start_service(shop)
    holds = await asyncio.gather(*(service.reserve(a_request(shop.sale_id, f"late{n}")) for n in range(12)))
    handles = [
        await payments.open_payment(hold.reservation.reservation_id, f"late{n}")
        for n, hold in enumerate(holds)
    ]
    for hold in holds:
        await expire(shop, hold.reservation.reservation_id)
    await asyncio.gather(*(service.reserve(a_request(shop.sale_id, f"new{n}")) for n in range(7)))
    outcomes = await asyncio.gather(
        *(tell(payments, shop.postgres, a_notice(handle)) for handle in handles for _ in range(2))
    )
    assert (outcomes.count("regranted"), outcomes.count("refund_due")) == (5, 7)
    assert outcomes.count("duplicate") == 12
    assert (await shop.taken(), await shop.units()) == (12, 12)
    assert len(await events_of(shop)) == 5
    async with shop.postgres.read() as session:
        regrants = await session.scalar(
            select(func.count()).where(
                models.Reservation.sale_id == shop.sale_id, models.Reservation.regrant_of.is_not(None)
            )
        )
    assert regrants == 5


async def test_a_hold_that_is_being_paid_cannot_expire(
    held: Held, payments: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    outcome = await _expire_amid_notice(held.shop, payments, handle, monkeypatch, locked=True)
    assert outcome == "confirmed"
    assert (await held.shop.taken(), await held.shop.units(), await held.shop.available()) == (1, 1, 0)


@pytest.mark.breaks("stock_within_total", "stock_taken_is_sum")
async def test_without_the_holds_lock_it_ends_twice_and_its_unit_is_sold_again(
    held: Held, payments: Payments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: expired and confirmed at once, the unit is both Ada's and free."""
    handle = await payments.open_payment(held.id, "ada")
    await _expire_amid_notice(held.shop, payments, handle, monkeypatch, locked=False)
    assert (await read(held.shop, held.id)).state == "confirmed"
    assert (await held.shop.taken(), await held.shop.units()) == (0, 1)
    await held.service.reserve(a_request(held.shop.sale_id, "bob"))
    assert await held.shop.units() == 2


async def test_expiry_and_payment_at_the_same_instant_end_a_hold_once(
    open_shop: OpenShop, start_service: StartService, payments: Payments
) -> None:
    shop = await open_shop(an_item(total=8))
    service = await start_service(shop)
    holds = await asyncio.gather(*(service.reserve(a_request(shop.sale_id, f"user{n}")) for n in range(8)))
    ids = [hold.reservation.reservation_id for hold in holds]
    handles = [await payments.open_payment(id_, f"user{n}") for n, id_ in enumerate(ids)]
    for id_ in ids:
        await shop.overdue(id_)

    async def expire_one() -> None:
        async with shop.postgres.unit_of_work() as session:
            await expire_due(session, shop.stock, batch_max=2)

    outcomes = await asyncio.gather(
        *(
            each
            for n in range(8)
            for each in (tell(payments, shop.postgres, a_notice(handles[n])), expire_one())
        )
    )
    told = [outcome for outcome in outcomes if outcome is not None]
    assert set(told) <= {"confirmed", "regranted"}
    assert await shop.taken() == await shop.units() == 8
    assert len(await events_of(shop)) == 8
    await service.stop()
    await shop.repair()
    assert await shop.available() == 0


async def test_without_the_item_lock_late_payments_are_served_beyond_the_stock(
    unguarded_postgres: Postgres,
    redis_roles: RedisRoles,
    sale_id: str,
    without_item_lock: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control of the crowd of late payments, in a database without the table's check."""
    shop = Shop(unguarded_postgres, redis_roles, a_plan(sale_id, an_item(total=4)))
    await shop.open(loaded=False)
    payments = Payments(unguarded_postgres, Provider(), redis_roles.queue, FlashsaleSettings())  # type: ignore[arg-type]
    wishes = [a_wish(shop.sale_id, f"late{n}") for n in range(4)]
    await GroupCommitter(unguarded_postgres, FlashsaleSettings()).commit(wishes)
    handles = [await payments.open_payment(wish.reservation_id, wish.user_id) for wish in wishes]
    for wish in wishes:
        await expire(shop, wish.reservation_id)
    await GroupCommitter(unguarded_postgres, FlashsaleSettings()).commit(
        [a_wish(shop.sale_id, f"new{n}") for n in range(3)]
    )
    barrier = asyncio.Barrier(4)
    lock_with_loans = regrants.lock_with_loans

    async def read_together(*arguments: Any) -> Any:
        found = await lock_with_loans(*arguments)
        await barrier.wait()
        return found

    without_item_lock()
    monkeypatch.setattr(regrants, "lock_with_loans", read_together)
    outcomes = await asyncio.gather(*(tell(payments, shop.postgres, a_notice(h)) for h in handles))
    assert outcomes == ["regranted"] * 4
    assert await shop.units() == 7


async def test_expiry_works_off_a_heap_in_bounded_batches_and_each_hold_once(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=30))
    service = await start_service(shop)
    holds = await asyncio.gather(*(service.reserve(a_request(shop.sale_id, f"user{n}")) for n in range(30)))
    async with shop.postgres.unit_of_work() as session:
        await session.execute(
            text("UPDATE flashsale.reservations SET expires_at = held_at WHERE sale_id = :sale_id"),
            {"sale_id": shop.sale_id},
        )

    async def expire_some() -> int:
        async with shop.postgres.unit_of_work() as session:
            return await expire_due(session, shop.stock, batch_max=8)

    ended = await asyncio.gather(*(expire_some() for _ in range(6)))
    assert max(ended) <= 8
    while await expire_some():
        pass
    assert (await shop.taken(), await shop.units(), len(holds)) == (0, 0, 30)
    assert await shop.available() == 30
