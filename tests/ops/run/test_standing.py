"""Where a sale stands, read from the rows, and the wait until nothing is on its way."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from flashsale.events import RESERVATION_CONFIRMED, outbox
from flashsale.models import Payment, Reservation
from kit.ids import new_id
from kit.postgres import Postgres
from kit.provider import ProviderUnknown
from ops.invariants.book import BookEntry
from ops.run.standing import Standing, read_standing, wait_for_rest

NOW = datetime.now(UTC)


class Book:
    """A provider's book in memory; away when it has no entries at all."""

    def __init__(self, entries: list[BookEntry] | None) -> None:
        self._entries = entries

    async def entries(self) -> list[BookEntry]:
        if self._entries is None:
            raise ProviderUnknown("away")
        return self._entries


def _charge(key: str) -> BookEntry:
    return BookEntry(number=1, kind="payment", key=key, amount_minor=100, currency="CNY", at=NOW)


async def _reserve(
    postgres: Postgres, sale_id: str, state: str, quantity: int = 1, payment: str | None = None
):
    reservation_id, payment_id = new_id(), new_id()
    async with postgres.unit_of_work() as session:
        await session.execute(
            insert(Reservation).values(
                reservation_id=reservation_id,
                sale_id=sale_id,
                sku="phone",
                user_id=uuid4().hex,
                quantity=quantity,
                amount_minor=100,
                currency="CNY",
                state=state,
                expires_at=NOW + timedelta(seconds=20),
                ended_at=None if state == "held" else NOW,
                idempotency_key=uuid4().hex,
                request_fingerprint=b"x",
                admission_id=new_id(),
                admission_position=0,
                epoch=0,
            )
        )
        if payment is not None:
            await session.execute(
                insert(Payment).values(
                    payment_id=payment_id,
                    reservation_id=reservation_id,
                    user_id="me",
                    amount_minor=100,
                    currency="CNY",
                    state=payment,
                )
            )
    return payment_id


async def test_units_are_counted_by_state_and_what_is_open_is_under_way(
    postgres: Postgres, sale_id: str
) -> None:
    await _reserve(postgres, sale_id, "held", quantity=2)
    await _reserve(postgres, sale_id, "confirmed", quantity=3)
    await _reserve(postgres, sale_id, "expired", payment="refund_due")
    async with postgres.unit_of_work() as session:
        await outbox.write(session, RESERVATION_CONFIRMED, {"sale_id": sale_id})
    standing = await read_standing(postgres, sale_id)
    assert standing == Standing(
        units_held=2, units_confirmed=3, holds=1, refunds=1, events=1, payouts=0, charges_unheard=0
    )
    assert (standing.units_taken, standing.under_way) == (5, 3)


async def test_another_sale_does_not_count(postgres: Postgres, sale_id: str) -> None:
    await _reserve(postgres, f"{sale_id}-other", "held", payment="refund_due")
    assert (await read_standing(postgres, sale_id)).under_way == 0


async def test_a_charge_whose_notice_has_not_come_is_under_way(postgres: Postgres, sale_id: str) -> None:
    unheard = await _reserve(postgres, sale_id, "expired", payment="created")
    heard = await _reserve(postgres, sale_id, "confirmed", payment="paid")
    book = Book([_charge(str(unheard)), _charge(str(heard)), _charge("not-ours")])
    assert (await read_standing(postgres, sale_id, book)).charges_unheard == 1


@pytest.mark.parametrize("seconds_max", [0.01, 5])
async def test_a_sale_at_rest_is_not_waited_for(postgres: Postgres, sale_id: str, seconds_max: float) -> None:
    await _reserve(postgres, sale_id, "confirmed")
    standing = await wait_for_rest(postgres, sale_id, Book([]), seconds_max=seconds_max)
    assert standing is not None
    assert standing.under_way == 0


async def test_patience_with_a_sale_ends(postgres: Postgres, sale_id: str) -> None:
    await _reserve(postgres, sale_id, "held")
    standing = await wait_for_rest(postgres, sale_id, Book([]), seconds_max=0.01)
    assert standing is not None
    assert standing.holds == 1


async def test_a_book_that_is_away_leaves_the_standing_unknown(postgres: Postgres, sale_id: str) -> None:
    assert await wait_for_rest(postgres, sale_id, Book(None), seconds_max=0.01) is None
