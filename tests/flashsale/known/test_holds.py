"""Family C, holds, money and deadlines that cross: what others lose or double, each shown not to be so here."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Select

from flashsale.errors import HoldEnded
from flashsale.payments import Payments
from flashsale.upkeep import expire_due
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.provider import ProviderUnknown
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.known.waits import backend_of, until_blocked
from tests.flashsale.paying import Held, Provider, a_notice, events_of, expire, payments_of, read, tell
from tests.flashsale.scenes import Shop, a_request, an_item


async def _release_twice(shop: Shop, service: Any, held_id: Any) -> None:
    """A second release begins while the first has ended the hold and not committed."""
    async with shop.postgres.unit_of_work() as first:
        pid = await backend_of(first)
        await service.release(first, held_id, "ada")

        async def release_again() -> None:
            async with shop.postgres.unit_of_work() as second:
                await service.release(second, held_id, "ada")

        again = asyncio.create_task(release_again())
        await until_blocked(shop.postgres, pid)
    await again


@pytest.fixture
async def two_held(open_shop: OpenShop, start_service: StartService) -> Held:
    """Ada and Bob hold the two units that there are."""
    shop = await open_shop(an_item(total=2))
    service = await start_service(shop)
    ada, _ = [await service.reserve(a_request(shop.sale_id, name)) for name in ("ada", "bob")]
    return Held(shop=shop, service=service, id=ada.reservation.reservation_id)


async def test_a_hold_that_is_released_twice_at_once_gives_back_one_unit(two_held: Held) -> None:
    """Number 15."""
    await _release_twice(two_held.shop, two_held.service, two_held.id)
    assert (await two_held.shop.taken(), await two_held.shop.units()) == (1, 1)
    await two_held.service.stop()
    assert await two_held.shop.available() == 1


@pytest.fixture
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def remove() -> None:
        monkeypatch.setattr(Select, "with_for_update", lambda self, **_: self)

    return remove


@pytest.mark.breaks("stock_taken_is_sum")
async def test_without_the_holds_lock_a_second_release_gives_back_a_unit_that_is_bobs(
    two_held: Held, without_row_locks: Callable[[], None]
) -> None:
    """The control."""
    without_row_locks()
    await _release_twice(two_held.shop, two_held.service, two_held.id)
    assert (await two_held.shop.taken(), await two_held.shop.units()) == (0, 1)


async def test_two_expirers_and_the_user_end_a_hold_once_between_them(two_held: Held) -> None:
    """Number 15: a time-out and a cancel have each their own way, and both gave back."""
    shop, service = two_held.shop, two_held.service
    await shop.overdue(two_held.id)

    async def end_overdue() -> None:
        async with shop.postgres.unit_of_work() as session:
            await expire_due(session, shop.stock, batch_max=1)

    async def release() -> None:
        async with shop.postgres.unit_of_work() as session:
            await service.release(session, two_held.id, "ada")

    ends = await asyncio.gather(end_overdue(), release(), end_overdue(), release(), return_exceptions=True)
    assert all(end is None or isinstance(end, HoldEnded) for end in ends)
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_a_hold_of_three_units_is_consumed_or_returned_as_three(
    open_shop: OpenShop, start_service: StartService, payments: Payments
) -> None:
    """Number 16: counting rows where units are meant."""
    shop = await open_shop(an_item(total=9, per_user_limit=3))
    service = await start_service(shop)
    ids = [
        (await service.reserve(a_request(shop.sale_id, name, quantity=3))).reservation.reservation_id
        for name in ("ada", "bob", "cy")
    ]
    handle = await payments.open_payment(ids[0], "ada")
    assert handle.amount_minor == 3 * 1999
    assert await tell(payments, shop.postgres, a_notice(handle)) == "confirmed"
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, ids[1], "bob")
    assert (await shop.taken(), await shop.available()) == (6, 3)
    late = await payments.open_payment(ids[2], "cy")
    await expire(shop, ids[2])
    assert (await shop.taken(), await shop.available()) == (3, 6)
    assert await tell(payments, shop.postgres, a_notice(late)) == "regranted"
    assert (await shop.taken(), await shop.units(), await shop.available()) == (6, 6, 3)


@pytest.mark.parametrize("kind", ["payment.succeeded", "payment.refused"])
async def test_a_provider_that_does_not_answer_decides_nothing_until_it_speaks(
    kind: str, held: Held, payments: Payments, provider: Provider
) -> None:
    """Number 17: no answer is neither a yes nor a no."""
    provider.fails_with = ProviderUnknown("timeout")
    with pytest.raises(Unavailable):
        await payments.open_payment(held.id, "ada")
    assert (await read(held.shop, held.id)).state == "held"
    (payment,) = await payments_of(held.shop, "ada")
    assert (payment.state, payment.serves) == ("created", None)
    assert await events_of(held.shop) == []
    provider.fails_with = None
    handle = await payments.open_payment(held.id, "ada")
    assert handle.payment_id == payment.payment_id
    await tell(payments, held.shop.postgres, a_notice(handle, kind))
    paid = kind == "payment.succeeded"
    assert (await read(held.shop, held.id)).state == ("confirmed" if paid else "held")
    assert len(await events_of(held.shop)) == int(paid)


async def test_money_whose_notice_was_lost_until_after_the_expiry_is_found_by_its_number(
    held: Held, payments: Payments, provider: Provider, postgres: Postgres
) -> None:
    """Numbers 14 and 17: opened, unanswered, expired, and then the provider's word that it was paid all along."""
    provider.fails_with = ProviderUnknown("timeout")
    with pytest.raises(Unavailable):
        await payments.open_payment(held.id, "ada")
    (path, number), *_ = provider.asked
    assert path == "/payments"
    await expire(held.shop, held.id)
    (payment,) = await payments_of(held.shop, "ada")
    assert str(payment.payment_id) == number
    notice = a_notice(payment)  # type: ignore[arg-type]
    assert await tell(payments, postgres, notice) == "regranted"
    assert await tell(payments, postgres, notice) == "duplicate"
    assert (await held.shop.taken(), await held.shop.units()) == (1, 1)
