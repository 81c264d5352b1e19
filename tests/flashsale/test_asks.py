"""A notice that never comes: the provider is asked, in bounds, and people are called where it does not answer."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func

from flashsale import models
from flashsale.dues import ASK_SECONDS_IN_ALL, ASK_SECONDS_MIN, count_needing_people, take_due_asks
from flashsale.facts import PaymentHandle
from flashsale.payments import Payments
from flashsale.states import NEEDS_PEOPLE
from flashsale.words import read_answer
from kit.postgres import Postgres
from kit.provider import ProviderRefused, ProviderUnknown
from tests.flashsale.paying import Held, Provider, a_notice, events_of, expire, payments_of, read, tell
from tests.flashsale.scenes import a_request


def _says(handle: PaymentHandle, state: str, **changes: object) -> dict[str, object]:
    told = {"amount_minor": handle.amount_minor, "currency": handle.currency, "state": state}
    return told | {"payment_id": str(handle.payment_id), "pay_url": "/pay"} | changes


async def _age(postgres: Postgres, payment_id: UUID, seconds: float) -> None:
    """Makes a payment, and the end of its hold, so much older, and the question about it due."""
    async with postgres.unit_of_work() as session:
        payment = await session.get_one(models.Payment, payment_id)
        reservation = await session.get_one(models.Reservation, payment.reservation_id)
        payment.created_at -= timedelta(seconds=seconds)
        reservation.expires_at -= timedelta(seconds=seconds)
        payment.ask_at = func.now() - timedelta(days=3650)


async def _due(postgres: Postgres) -> list[UUID]:
    async with postgres.unit_of_work() as session:
        return await take_due_asks(session, 100)


async def _next_ask_seconds(postgres: Postgres, payment_id: UUID) -> float | None:
    async with postgres.read() as session:
        row = await session.get_one(models.Payment, payment_id)
        now = await session.scalar(func.now().select())
        return None if row.ask_at is None or now is None else (row.ask_at - now).total_seconds()


async def test_a_payment_whose_notice_was_lost_is_asked_for_and_confirms(
    held: Held, payments: Payments, provider: Provider
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    postgres = held.shop.postgres
    assert handle.payment_id not in await _due(postgres)
    await _age(postgres, handle.payment_id, 40)
    assert handle.payment_id in await _due(postgres)
    assert handle.payment_id not in await _due(postgres)
    provider.answers = _says(handle, "succeeded")
    assert await payments.ask(handle.payment_id) == "confirmed"
    assert provider.asked[-1] == (f"/payments/{handle.payment_id}", "")
    assert (await read(held.shop, held.id)).state == "confirmed"
    assert len(await events_of(held.shop)) == 1
    assert await _next_ask_seconds(postgres, handle.payment_id) is None
    # The notice that was thought lost comes after all, and somebody asks once more.
    assert await tell(payments, postgres, a_notice(handle)) == "duplicate"
    assert await payments.ask(handle.payment_id) == "duplicate"
    assert len(await events_of(held.shop)) == 1


async def test_a_payment_that_was_asked_for_after_its_hold_is_served_late_or_refunded(
    held: Held, payments: Payments, provider: Provider
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    await expire(held.shop, held.id)
    await held.service.reserve(a_request(held.shop.sale_id, "bob"))
    provider.answers = _says(handle, "succeeded")
    assert await payments.ask(handle.payment_id) == "refund_due"
    assert await payments.ask(handle.payment_id) == "duplicate"


@pytest.mark.parametrize(
    ("state", "outcome", "stands"),
    [
        ("refused", "refused", "refused"),
        ("refunded", "refunded", "refunded"),
        ("created", "asked_again", "created"),
    ],
)
async def test_what_the_provider_answers_is_what_becomes_of_the_payment(
    held: Held, payments: Payments, provider: Provider, state: str, outcome: str, stands: str
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    provider.answers = _says(handle, state)
    assert await payments.ask(handle.payment_id) == outcome
    (payment,) = await payments_of(held.shop, "ada")
    assert payment.state == stands
    assert (await _next_ask_seconds(held.shop.postgres, handle.payment_id) is None) == (stands != "created")


async def test_a_payment_is_asked_for_ever_more_seldom_and_at_least_every_hour(
    held: Held, payments: Payments
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    postgres = held.shop.postgres
    first = await _next_ask_seconds(postgres, handle.payment_id)
    assert first is not None
    assert 0 < first <= ASK_SECONDS_MIN
    for older, floor, ceiling in ((0, 0, 300), (1_000, 600, 1_300), (10_000, 3_000, 3_600)):
        await _age(postgres, handle.payment_id, older)
        assert handle.payment_id in await _due(postgres)
        wait = await _next_ask_seconds(postgres, handle.payment_id)
        assert wait is not None
        assert floor < wait <= ceiling  # wide: a busy machine ages a payment, too


async def test_what_nobody_pays_is_closed_after_a_day_and_can_still_be_paid(
    held: Held, payments: Payments, provider: Provider
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    await _age(held.shop.postgres, handle.payment_id, ASK_SECONDS_IN_ALL + 61)
    # While the hold is open its page is, too, however old the payment.
    assert await payments.ask(handle.payment_id) == "asked_again"
    await expire(held.shop, held.id)
    assert await payments.ask(handle.payment_id) == "abandoned"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("refused", "abandoned")
    assert await _next_ask_seconds(held.shop.postgres, handle.payment_id) is None
    assert await tell(payments, held.shop.postgres, a_notice(handle)) == "regranted"


@pytest.mark.parametrize("error", [ProviderUnknown("timeout"), ProviderRefused("key_revoked", status=401)])
async def test_a_provider_that_does_not_answer_for_a_day_leaves_the_payment_to_people(
    held: Held, payments: Payments, provider: Provider, error: ProviderUnknown | ProviderRefused
) -> None:
    handle = await payments.open_payment(held.id, "ada")
    postgres = held.shop.postgres
    provider.fails_with = error
    assert await payments.ask(handle.payment_id) == "asked_again"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("created", "unanswered")
    async with postgres.read() as session:
        before = await count_needing_people(session)
    await _age(postgres, handle.payment_id, ASK_SECONDS_IN_ALL + 61)
    assert await payments.ask(handle.payment_id) == "needs_people"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("created", NEEDS_PEOPLE)
    assert handle.payment_id not in await _due(postgres)
    async with postgres.read() as session:
        assert await count_needing_people(session) == before + 1
    # A word of the provider still counts, whenever it comes.
    assert await tell(payments, postgres, a_notice(handle)) == "confirmed"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.reason) == ("paid", None)


async def test_a_payment_that_another_one_superseded_is_asked_for_too(
    held: Held, payments: Payments, provider: Provider
) -> None:
    postgres = held.shop.postgres
    first = await payments.open_payment(held.id, "ada")
    await tell(payments, postgres, a_notice(first, "payment.refused"))
    second = await payments.open_payment(held.id, "ada")
    assert await tell(payments, postgres, a_notice(first)) == "confirmed"
    await _age(postgres, second.payment_id, 40)
    assert second.payment_id in await _due(postgres)
    provider.answers = _says(second, "succeeded")
    assert await payments.ask(second.payment_id) == "refund_due"
    assert await _next_ask_seconds(postgres, second.payment_id) is None


async def test_a_payment_that_nobody_made_is_not_asked_for_again(payments: Payments) -> None:
    assert await payments.ask(uuid4()) == "unmatched"


@pytest.mark.parametrize(
    "answer", [{}, {"state": "odd"}, {"state": "succeeded", "amount_minor": "1", "currency": "CNY"}]
)
def test_an_answer_that_says_nothing_is_no_answer(answer: dict[str, object]) -> None:
    with pytest.raises(ProviderUnknown):
        read_answer(uuid4(), answer)
