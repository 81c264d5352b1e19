"""A sale on a Redis Cluster whose master dies in mid-sale, and one whose promoted replica had fallen behind."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from flashsale import keys
from flashsale.errors import LimitReached, SoldOut
from flashsale.facts import Reserved
from flashsale.reservations import Reservations
from flashsale.stock import StockClaims
from kit.embedded.cluster import EmbeddedCluster
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.flashsale.conftest import StartService
from tests.flashsale.scenes import SKU, Shop, a_plan, a_request, a_wish, an_item

UNITS = 40
PATIENCE_SECONDS = 60


class Failover:
    """The node that serves the stock of one sale, and its death."""

    def __init__(self, cluster: EmbeddedCluster, sale_id: str) -> None:
        self.cluster = cluster
        self.master = cluster.master_of(keys.stock(sale_id, SKU, 0))

    async def happen(self) -> None:
        """The master dies and its replica is elected, with what it has."""
        await asyncio.to_thread(self.cluster.kill, self.master)
        await asyncio.to_thread(self.cluster.wait_for_successor, self.master)


@pytest.fixture
async def shop(postgres: Postgres, cluster_client: Redis, sale_id: str) -> Shop:
    roles = RedisRoles(cluster_client, cluster_client, cluster_client)
    opened = Shop(postgres, roles, a_plan(sale_id, an_item(total=UNITS)))
    await opened.open()
    return opened


@pytest.fixture
async def failover(shop: Shop, redis_cluster: EmbeddedCluster) -> AsyncIterator[Failover]:
    planned = Failover(redis_cluster, shop.sale_id)
    yield planned
    await asyncio.to_thread(redis_cluster.bring_back, planned.master)


async def buy(shop: Shop, service: Reservations, user: str) -> Reserved | None:
    """As a shopper does it: the same key until there is an answer; None when it is sold out."""
    key = uuid4().hex
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await service.reserve(a_request(shop.sale_id, user, key=key))
            except Unavailable:
                await asyncio.sleep(0.05)
            except SoldOut:
                return None


async def buy_all(shop: Shop, service: Reservations, users: range) -> int:
    bought = await asyncio.gather(*(buy(shop, service, f"user-{user}") for user in users))
    return sum(each is not None for each in bought)


async def first_answer(shop: Shop) -> str:
    """What the new master says, once one answers, to a claim that cannot be granted."""
    claims = StockClaims(shop.stock, shop.book, rest_seconds=0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            (said,) = await claims.claim([a_wish(shop.sale_id, "nobody", quantity=UNITS + 1)])
            if said != "away":
                return said
            await asyncio.sleep(0.05)


async def test_a_sale_whose_master_dies_is_sold_to_exactly_zero(
    shop: Shop, failover: Failover, start_service: StartService
) -> None:
    service = await start_service(shop, redis_rest_seconds=0.1, ledger_only_per_second=10)
    early = await buy_all(shop, service, range(UNITS // 2))
    assert (early, await shop.available()) == (UNITS // 2, UNITS // 2)
    happening = asyncio.create_task(failover.happen())
    # The ledger sells alone meanwhile, at its bounded rate.
    during = await buy_all(shop, service, range(UNITS // 2, UNITS // 2 + 5))
    assert during == 5
    await happening
    assert await first_answer(shop) == "not_loaded"
    await shop.repair()
    late = await buy_all(shop, service, range(UNITS, 2 * UNITS))
    assert early + during + late == UNITS == await shop.taken() == await shop.units()
    assert await shop.available() == 0


async def test_a_promoted_replica_that_fell_behind_is_not_believed(
    shop: Shop, failover: Failover, start_service: StartService
) -> None:
    await _ada_gives_back_what_the_replica_never_hears_of(shop, failover, start_service)
    assert await first_answer(shop) == "not_loaded"
    await shop.repair()
    service = await start_service(shop)
    assert not (await service.reserve(a_request(shop.sale_id, "ada"))).replayed
    assert await shop.available() == UNITS - 1 == UNITS - await shop.taken()


async def test_control_without_the_binding_the_replica_keeps_ada_out_for_ever(
    unbound: None, shop: Shop, failover: Failover, start_service: StartService
) -> None:
    """The sums are right, so no repair finds anything; the names are wrong."""
    await _ada_gives_back_what_the_replica_never_hears_of(shop, failover, start_service)
    for _ in range(2):
        await shop.repair()
    service = await start_service(shop)
    with pytest.raises(LimitReached):
        await service.reserve(a_request(shop.sale_id, "ada"))


async def _ada_gives_back_what_the_replica_never_hears_of(
    shop: Shop, failover: Failover, start_service: StartService
) -> None:
    """Bob buys what she gave back, both unheard of, and gives it back to the promoted replica."""
    service = await start_service(shop, redis_rest_seconds=0.1)
    ada = await service.reserve(a_request(shop.sale_id, "ada"))
    await service.stop()
    failover.cluster.leave_behind(failover.master)
    service = await start_service(shop, redis_rest_seconds=0.1)
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, ada.reservation.reservation_id, "ada")
    bob = await service.reserve(a_request(shop.sale_id, "bob"))
    await service.stop()
    await failover.happen()
    await first_answer(shop)
    async with shop.postgres.unit_of_work() as session:
        await service.release(session, bob.reservation.reservation_id, "bob")
    assert await shop.taken() == 0
