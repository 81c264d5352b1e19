"""Family E, running it: connections, locks and restarts that others fell over, each shown not to fell this."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import select

from flashsale import ledger, models
from flashsale.committer import GroupCommitter
from flashsale.facts import Reserved
from flashsale.ledger import Decision
from flashsale.payments import Payments
from flashsale.rules import Wish
from flashsale.settings import FlashsaleSettings
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import PostgresSettings, RedisSettings
from kit.statements import Rows
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.paying import Held
from tests.flashsale.scenes import SKU, a_request, a_wish, an_item

SETTINGS = FlashsaleSettings()


async def test_a_crowd_that_redis_lets_through_shares_a_handful_of_connections(
    open_shop: OpenShop, start_service: StartService
) -> None:
    """Number 20: one connection a buyer, and "too many clients" when everybody gets as far as that."""
    shop = await open_shop(an_item(total=400))
    services = [await start_service(shop) for _ in range(2)]
    answers = await asyncio.gather(
        *(services[n % 2].reserve(a_request(shop.sale_id, f"user{n}")) for n in range(400))
    )
    assert all(isinstance(answer, Reserved) for answer in answers)
    pool = await shop.postgres.driver_pool()
    assert pool.get_size() <= PostgresSettings().postgres_driver_connections_max
    assert await shop.units() == 400


class AskingProvider:
    """While it is asked for a payment, it looks whether anybody keeps the reservation or its item locked."""

    def __init__(self, postgres: Postgres, shop: Any) -> None:
        self._postgres, self._shop, self.looked = postgres, shop, 0

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        async with self._postgres.unit_of_work() as session:
            for table in (models.Reservation, models.Item):
                rows = select(table).where(table.sale_id == self._shop.sale_id)
                await session.execute(rows.with_for_update(nowait=True))
        self.looked += 1
        return {"pay_url": "/pay"}


async def test_no_lock_is_held_while_the_provider_is_asked(
    held: Held, postgres: Postgres, redis_roles: RedisRoles
) -> None:
    """Number 20: a lock from before the payment to after it stops everybody for as long as a provider may take."""
    provider = AskingProvider(postgres, held.shop)
    payments = Payments(postgres, provider, redis_roles.queue, SETTINGS)  # type: ignore[arg-type]
    await payments.open_payment(held.id, "ada")
    assert provider.looked == 1


async def _cross(postgres: Postgres, sale_id: str) -> list[str]:
    """Two processes commit batches over two items, named in opposite orders; all verdicts."""
    there, back = [
        [a_wish(sale_id, f"{sku}{way}", sku=sku) for sku in skus]
        for way, skus in enumerate([(SKU, "case"), ("case", SKU)])
    ]
    batches = await asyncio.gather(
        *(GroupCommitter(postgres, SETTINGS).commit(wishes) for wishes in (there, back))
    )
    return [each.verdict if isinstance(each, Decision) else each for batch in batches for each in batch]


async def test_batches_that_name_their_items_in_opposite_orders_do_not_block_each_other(
    open_shop: OpenShop, postgres: Postgres
) -> None:
    """Number 21."""
    shop = await open_shop(an_item(), an_item("case"))
    for _ in range(5):
        assert set(await _cross(postgres, shop.sale_id)) <= {"granted", "limit_reached"}
    assert (await shop.taken(), await shop.taken("case")) == (2, 2)


async def test_locks_taken_in_the_order_of_the_batch_end_in_a_deadlock(
    open_shop: OpenShop, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: one of the two is PostgreSQL's victim, and is told to come back."""
    both_have_one = asyncio.Barrier(2)

    async def write_as_named(session: Rows, wishes: Sequence[Wish]) -> list[Decision]:
        first, second = (wish.bucket for wish in wishes)
        await ledger.lock_buckets(session, [first])
        await both_have_one.wait()
        await ledger.lock_buckets(session, [second])
        return await ledger.write_batch(session, wishes)

    shop = await open_shop(an_item(), an_item("case"))
    monkeypatch.setattr("flashsale.committer.write_batch", write_as_named)
    assert sorted(await _cross(postgres, shop.sale_id)) == ["granted"] * 2 + ["not_written"] * 2


async def test_rounds_that_fail_leave_no_connection_behind(
    open_shop: OpenShop, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number 22: a connection that is not given back when something goes wrong."""
    write_batch, turns = ledger.write_batch, itertools.cycle([None, RuntimeError, TimeoutError])

    async def write_and_fail(session: Rows, wishes: Sequence[Wish]) -> list[Decision]:
        decided = await write_batch(session, wishes)
        if (error := next(turns)) is not None:
            raise error
        return decided

    shop = await open_shop(an_item(total=100))
    stock = connect(_url_of(shop.stock), RedisSettings(), purpose="stock")
    service = await start_service(shop, stock=stock)
    monkeypatch.setattr("flashsale.committer.write_batch", write_and_fail)
    for n in range(20):
        wishes = [a_request(shop.sale_id, f"user{n}-{m}") for m in range(3)]
        await asyncio.gather(*(service.reserve(wish) for wish in wishes), return_exceptions=True)
    await service.stop()
    pool = await shop.postgres.driver_pool()
    assert pool.get_size() == pool.get_idle_size() <= PostgresSettings().postgres_driver_connections_max
    assert stock.connection_pool._in_use_connections == set()  # type: ignore[attr-defined]
    assert len(stock.connection_pool._available_connections) <= SETTINGS.lanes + 1  # type: ignore[attr-defined]
    await stock.aclose()


def _url_of(client: Any) -> str:
    at = client.connection_pool.connection_kwargs
    return f"redis://{at['host']}:{at['port']}/{at.get('db', 0)}"
