"""Paying: every sum of money ends as a confirmed reservation or a refund."""

import asyncio
from uuid import uuid4

import pytest

from flashsale.errors import AlreadyPaid, HoldEnded, HoldExpired, ReservationUnknown
from flashsale.facts import PaymentHandle
from flashsale.payments import Payments
from flashsale.upkeep import expire_due
from kit.errors import Unavailable
from kit.provider import ProviderUnknown
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.paying import Held, Provider, a_notice, events_of, expire, payments_of, read, tell
from tests.flashsale.scenes import a_request, an_item


async def test_a_paid_hold_is_confirmed_with_its_event_in_one_transaction(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    assert handle.pay_url == f"/pay/{handle.payment_id}"
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "confirmed"
    confirmed = await read(held.shop, held.id)
    assert (confirmed.state, confirmed.end_reason) == ("confirmed", "paid")
    (event,) = await events_of(held.shop)
    assert (event.reservation_id, event.amount_minor) == (held.id, 1999)
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.serves) == ("paid", held.id)
    assert await held.shop.taken() == 1


async def test_a_second_click_gets_the_same_payment(
    held: Held, payments: Payments, provider: Provider
) -> None:
    handles = await asyncio.gather(*(payments.open_payment(held.id, "ada") for _ in range(5)))
    assert len({handle.payment_id for handle in handles}) == 1
    assert {key for _, key in provider.asked} == {str(handles[0].payment_id)}


async def test_a_provider_that_is_away_leaves_the_payment_to_the_next_click(
    held: Held, payments: Payments, provider: Provider
) -> None:
    provider.fails_with = ProviderUnknown("timeout")
    with pytest.raises(Unavailable):
        await payments.open_payment(held.id, "ada")
    provider.fails_with = None
    handle = await payments.open_payment(held.id, "ada")
    assert {key for _, key in provider.asked} == {str(handle.payment_id)}


async def test_only_an_open_hold_of_ones_own_can_be_paid(held: Held, payments: Payments) -> None:
    with pytest.raises(ReservationUnknown):
        await payments.open_payment(held.id, "eve")
    with pytest.raises(ReservationUnknown):
        await payments.open_payment(uuid4(), "ada")
    await held.shop.overdue(held.id)
    with pytest.raises(HoldExpired):
        await payments.open_payment(held.id, "ada")
    await expire(held.shop, held.id)
    with pytest.raises(HoldExpired):
        await payments.open_payment(held.id, "ada")
    other = await held.service.reserve(a_request(held.shop.sale_id, "bob"))
    async with held.shop.postgres.unit_of_work() as session:
        await held.service.release(session, other.reservation.reservation_id, "bob")
    with pytest.raises(HoldEnded):
        await payments.open_payment(other.reservation.reservation_id, "bob")
    last = await held.service.reserve(a_request(held.shop.sale_id, "cy"))
    handle = await payments.open_payment(last.reservation.reservation_id, "cy")
    await tell(payments, held.shop.postgres, a_notice(handle))
    with pytest.raises(AlreadyPaid):
        await payments.open_payment(last.reservation.reservation_id, "cy")


async def test_a_notice_that_comes_many_times_at_once_counts_once(held: Held, payments: Payments) -> None:
    handle = await payments.open_payment(held.id, "ada")
    same = a_notice(handle)
    others = [a_notice(handle) for _ in range(3)]
    outcomes = await asyncio.gather(
        *(tell(payments, held.shop.postgres, notice) for notice in [same, same, same, *others])
    )
    assert sorted(outcomes) == ["confirmed", *["duplicate"] * 5]
    assert len(await events_of(held.shop)) == 1


async def test_a_payment_after_the_deadline_still_confirms_while_the_hold_is_open(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    await held.shop.overdue(held.id)
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "confirmed"
    async with held.shop.postgres.unit_of_work() as session:
        await expire_due(session, held.shop.stock, batch_max=100)
    assert (await read(held.shop, held.id)).state == "confirmed"
    assert (await held.shop.taken(), await held.shop.units()) == (1, 1)


async def test_a_refund_is_also_closed_by_the_providers_notice(held: Held, payments: Payments) -> None:
    handle = await payments.open_payment(held.id, "ada")
    wrong = a_notice(handle, amount_minor=1)
    assert await tell(payments, held.shop.postgres, wrong) == "refund_due"
    assert (await read(held.shop, held.id)).state == "held"
    assert await tell(payments, held.shop.postgres, a_notice(handle, "refund.succeeded")) == "refunded"
    assert await tell(payments, held.shop.postgres, a_notice(handle, "refund.succeeded")) == "duplicate"


async def test_a_refused_card_may_be_followed_by_one_that_works_and_only_one_payment_serves(
    held: Held, payments: Payments
) -> None:
    first = await payments.open_payment(held.id, "ada")
    assert await tell(payments, held.shop.postgres, a_notice(first, "payment.refused")) == "refused"
    second = await payments.open_payment(held.id, "ada")
    assert second.payment_id != first.payment_id
    # The first goes through after all, then the second too: one serves, the other goes back.
    assert await tell(payments, held.shop.postgres, a_notice(first)) == "confirmed"
    assert await tell(payments, held.shop.postgres, a_notice(second)) == "refund_due"
    assert await tell(payments, held.shop.postgres, a_notice(second, "payment.refused")) == "duplicate"
    states = {p.payment_id: (p.state, p.reason) for p in await payments_of(held.shop, "ada")}
    assert states == {
        first.payment_id: ("paid", None),
        second.payment_id: ("refund_due", "second_payment"),
    }
    assert len(await events_of(held.shop)) == 1


async def test_a_notice_for_a_payment_nobody_made_is_stored_and_changes_nothing(
    held: Held, payments: Payments
) -> None:
    handle = PaymentHandle(uuid4(), held.id, "", 1999, "CNY", "created")
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "unmatched"
    assert (await read(held.shop, held.id)).state == "held"


async def test_what_costs_nothing_is_confirmed_without_the_provider(
    open_shop: OpenShop, start_service: StartService, payments: Payments, provider: Provider
) -> None:
    shop = await open_shop(an_item(price_minor=0))
    service = await start_service(shop)
    reserved = await service.reserve(a_request(shop.sale_id, "ada"))
    handle = await payments.open_payment(reserved.reservation.reservation_id, "ada")
    assert (handle.state, handle.amount_minor, handle.pay_url) == ("paid", 0, "")
    assert provider.asked == []
    assert len(await events_of(shop)) == 1
