"""A provider that contradicts itself: money back before it came, a second sum for one payment."""

from flashsale.payments import Payments
from flashsale.states import NEEDS_PEOPLE
from tests.flashsale.paying import Held, a_notice, events_of, payments_of, read, tell


async def test_a_refund_that_is_heard_of_before_its_payment_gives_no_goods_for_free(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    assert await tell(payments, held.shop.postgres, a_notice(handle, "refund.succeeded")) == "refunded"
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "refunded"
    assert (await read(held.shop, held.id)).state == "held"
    assert await events_of(held.shop) == []
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason, payment.serves) == ("refunded", "refunded_unasked", None)
    assert payment.paid_at is not None
    # The hold is still Ada's to pay, on a page of its own.
    again = await payments.open_payment(held.id, "ada")
    assert await tell(payments, held.shop.postgres, a_notice(again)) == "confirmed"


async def test_a_second_success_with_another_sum_is_no_duplicate(held: Held, payments: Payments) -> None:
    handle = await payments.open_payment(held.id, "ada")
    postgres = held.shop.postgres
    assert await tell(payments, postgres, a_notice(handle)) == "confirmed"
    assert await tell(payments, postgres, a_notice(handle)) == "duplicate"
    assert await tell(payments, postgres, a_notice(handle, amount_minor=1)) == "needs_people"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason, payment.serves) == ("paid", NEEDS_PEOPLE, held.id)
    assert len(await events_of(held.shop)) == 1


async def test_a_wrong_sum_that_is_told_twice_is_owed_once_and_another_one_calls_people(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    postgres = held.shop.postgres
    assert await tell(payments, postgres, a_notice(handle, amount_minor=1)) == "refund_due"
    assert await tell(payments, postgres, a_notice(handle, amount_minor=1)) == "duplicate"
    assert await tell(payments, postgres, a_notice(handle, currency="USD")) == "needs_people"
    assert await tell(payments, postgres, a_notice(handle)) == "needs_people"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("refund_due", NEEDS_PEOPLE)
    assert (await read(held.shop, held.id)).state == "held"


async def test_money_that_goes_back_unasked_from_what_it_bought_calls_people(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "confirmed"
    assert await tell(payments, held.shop.postgres, a_notice(handle, "refund.succeeded")) == "needs_people"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("paid", NEEDS_PEOPLE)
