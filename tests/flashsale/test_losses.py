"""What is lost between two steps: answers, claims, commits' reports, scripts, keys, all of Redis."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from redis.asyncio import Redis

from flashsale import keys
from flashsale.committer import GroupCommitter
from flashsale.errors import SoldOut
from flashsale.facts import Reserved
from flashsale.settings import FlashsaleSettings
from flashsale.snapshots import take_snapshots
from flashsale.stock import EndedHold, StockClaims, give_back
from flashsale.upkeep import StockRepair, stock_views
from kit.embedded import ServerUrls
from kit.embedded.wire import Wire
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import IMPATIENT, SKU, Shop, a_request, a_wish, an_item

SETTINGS = FlashsaleSettings()


def claims_of(shop: Shop, stock: Redis | None = None) -> StockClaims:
    return StockClaims(stock or shop.stock, shop.book, rest_seconds=1)


async def rush(shop: Shop, service: object, users: Sequence[str]) -> list[object]:
    return await asyncio.gather(
        *(service.reserve(a_request(shop.sale_id, user)) for user in users),  # type: ignore[attr-defined]
        return_exceptions=True,
    )


async def test_a_claim_whose_answer_was_lost_is_sent_again_and_taken_once(
    open_shop: OpenShop, start_service: StartService, servers: ServerUrls, redis_settings: RedisSettings
) -> None:
    shop = await open_shop()
    async with Wire(servers.redis_stock) as wire:
        client = connect(wire.url, redis_settings, purpose="stock")
        service = await start_service(shop, stock=client)
        wire.next("lost_reply", asked=b"EVALSHA")
        reserved = await service.reserve(a_request(shop.sale_id, "ada"))
        await service.stop()
        await client.aclose()
    assert wire.counts["lost_reply"] == 1
    assert not reserved.replayed
    assert (await shop.available(), await shop.taken(), await shop.pending()) == (9, 1, 0)


async def test_without_the_operation_id_a_repeated_claim_takes_twice(open_shop: OpenShop) -> None:
    """The control of the test before: the same wish under an id of its own each time."""
    shop = await open_shop(an_item(per_user_limit=5))
    wish = a_wish(shop.sale_id, "ada", key="k1")
    claims = claims_of(shop)
    assert [await claims.claim([wish]) for _ in range(2)] == [["claimed"], ["claimed"]]
    assert await shop.available() == 9
    for _ in range(2):
        await claims.claim([a_wish(shop.sale_id, "ada")])
    assert await shop.available() == 7


async def test_when_all_answers_are_lost_the_ledger_decides_and_the_units_are_counted_once(
    open_shop: OpenShop, start_service: StartService, servers: ServerUrls, redis_settings: RedisSettings
) -> None:
    shop = await open_shop()
    async with Wire(servers.redis_stock) as wire:
        client = connect(wire.url, redis_settings, purpose="stock")
        service = await start_service(shop, stock=client, redis_rest_seconds=0.001)
        wire.next("lost_reply", times=2, asked=b"EVALSHA")
        await service.reserve(a_request(shop.sale_id, "ada"))
        await service.stop()
        await client.aclose()
    await shop.repair()
    assert (await shop.available(), await shop.taken(), await shop.pending()) == (9, 1, 0)


async def test_a_crash_between_claim_and_commit_gives_the_units_back(open_shop: OpenShop) -> None:
    shop = await open_shop()
    await claims_of(shop).claim([a_wish(shop.sale_id, "ada")])
    assert (await shop.available(), await shop.pending()) == (9, 1)
    report = await StockRepair(shop.postgres, shop.stock, IMPATIENT).run_once()
    assert report.recovered >= 1
    assert (await shop.available(), await shop.pending(), await shop.taken()) == (10, 0, 0)


async def test_the_claims_of_a_process_that_died_with_many_are_all_given_back(open_shop: OpenShop) -> None:
    shop = await open_shop(an_item(total=3000))
    for batch in range(2):
        claimed = await claims_of(shop).claim(
            [a_wish(shop.sale_id, f"user{n}-{batch}") for n in range(1000)]  # as many as a batch may have
        )
        assert claimed == ["claimed"] * 1000
    assert (await shop.available(), await shop.pending()) == (1000, 2000)
    await shop.repair()
    assert (await shop.available(), await shop.pending()) == (3000, 0)


async def test_claims_are_kept_where_a_look_up_does_not_walk_the_others(open_shop: OpenShop) -> None:
    """Else a batch costs Redis the square of its size, for users with ids as short as these."""
    shop = await open_shop(an_item(total=300))
    await claims_of(shop).claim([a_wish(shop.sale_id, f"u{n}", key=f"k{n}") for n in range(256)])
    assert await shop.stock.object("encoding", keys.pending(shop.sale_id, SKU, 0)) == b"hashtable"


async def test_the_repair_leaves_claims_of_living_processes_alone(open_shop: OpenShop) -> None:
    shop = await open_shop()
    await claims_of(shop).claim([a_wish(shop.sale_id, "ada")])
    # A pass over what other tests left takes its time on a busy machine: nobody is dead for that.
    patient = FlashsaleSettings(pending_seconds_max=600)
    await StockRepair(shop.postgres, shop.stock, patient).run_once()
    assert (await shop.available(), await shop.pending()) == (9, 1)


async def test_a_crash_between_commit_and_report_leaves_the_count_right(open_shop: OpenShop) -> None:
    shop = await open_shop()
    wish = a_wish(shop.sale_id, "ada")
    await claims_of(shop).claim([wish])
    await GroupCommitter(shop.postgres, SETTINGS).commit([wish])
    await shop.repair()
    assert (await shop.available(), await shop.pending(), await shop.taken()) == (9, 0, 1)


async def test_a_claim_that_is_settled_while_the_repair_looks_it_up_is_counted_once(
    open_shop: OpenShop,
) -> None:
    shop = await open_shop()
    wish, claims = a_wish(shop.sale_id, "ada"), claims_of(shop)
    await claims.claim([wish])
    (decision,) = await GroupCommitter(shop.postgres, SETTINGS).commit([wish])
    repair = StockRepair(shop.postgres, shop.stock, FlashsaleSettings(pending_seconds_max=1e-9))
    (item,) = [each for each in await repair._read_ledger() if each.sale_id == shop.sale_id]
    (snapshot,) = await take_snapshots(shop.stock, [item.name])
    claims.settle(wish, epoch=decision.item.epoch)  # type: ignore[union-attr]
    await claims.flush()
    later = replace(snapshot, now_ms=snapshot.now_ms + 1)
    assert await repair._recover(item, later) == 1
    assert (await shop.available(), await shop.taken(), await shop.pending()) == (9, 1, 0)


async def test_a_commit_that_comes_after_the_repair_takes_its_units_back_out(open_shop: OpenShop) -> None:
    shop = await open_shop()
    wish, claims = a_wish(shop.sale_id, "ada"), claims_of(shop)
    await claims.claim([wish])
    await shop.repair()
    assert await shop.available() == 10
    (decision,) = await GroupCommitter(shop.postgres, SETTINGS).commit([wish])
    claims.settle(wish, epoch=decision.item.epoch)  # type: ignore[union-attr]
    await claims.flush()
    assert (await shop.available(), await shop.taken()) == (9, 1)


async def test_a_sale_goes_on_without_its_keys_and_sells_exactly_its_stock(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=30))
    service = await start_service(shop, batch_max=8)
    first = await rush(shop, service, [f"early{n}" for n in range(10)])
    assert all(isinstance(answer, Reserved) for answer in first)
    await shop.forget()
    without = await rush(shop, service, [f"amid{n}" for n in range(10)])
    assert all(isinstance(answer, Reserved) for answer in without)
    assert await shop.available() is None
    await shop.repair()
    assert await shop.available() == 10
    late = await rush(shop, service, [f"late{n}" for n in range(20)])
    assert sum(isinstance(answer, Reserved) for answer in late) == 10
    assert sum(isinstance(answer, SoldOut) for answer in late) == 10
    assert (await shop.taken(), await shop.units(), await shop.available()) == (30, 30, 0)


async def test_losing_scripts_keys_and_loading_again_in_a_rush_never_oversells(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=60))
    services = [await start_service(shop, batch_max=8) for _ in range(2)]
    asked = [
        asyncio.create_task(services[n % 2].reserve(a_request(shop.sale_id, f"user{n}"))) for n in range(240)
    ]
    for loss in (shop.stock.script_flush, shop.forget, shop.repair, shop.forget, shop.repair):
        await asyncio.sleep(0.005)
        await loss()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Reserved | SoldOut | Unavailable) for answer in answers)
    assert await shop.taken() == await shop.units() == sum(isinstance(a, Reserved) for a in answers)
    for service in services:
        await service.stop()
    await shop.repair()
    assert await shop.available() == 60 - await shop.taken()


async def test_a_flushed_script_is_loaded_again_without_doubling_anything(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=30))
    service = await start_service(shop)
    for n in range(6):
        await shop.stock.script_flush()
        await service.reserve(a_request(shop.sale_id, f"user{n}"))
    await service.stop()
    assert (await shop.available(), await shop.taken(), await shop.pending()) == (24, 6, 0)


async def test_a_redis_that_came_back_old_is_lowered_to_the_ledger(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=10))
    service = await start_service(shop)
    name = keys.stock(shop.sale_id, SKU, 0)
    old = await shop.stock.dump(name)
    await rush(shop, service, [f"user{n}" for n in range(6)])
    await shop.stock.restore(name, 0, old, replace=True)
    assert await shop.available() == 10
    report = await StockRepair(shop.postgres, shop.stock, IMPATIENT).run_once()
    assert report.drifted >= 1
    assert await shop.available() == 4
    answers = await rush(shop, service, [f"more{n}" for n in range(10)])
    assert sum(isinstance(answer, Reserved) for answer in answers) == 4


async def test_the_ledger_refuses_what_an_old_redis_would_sell(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=2))
    service = await start_service(shop)
    await rush(shop, service, ["ada", "bob"])
    await shop.stock.hset(keys.stock(shop.sale_id, SKU, 0), "available", 50)  # type: ignore[misc]
    answers = await rush(shop, service, [f"user{n}" for n in range(10)])
    assert all(isinstance(answer, SoldOut) for answer in answers)
    assert (await shop.taken(), await shop.units()) == (2, 2)


async def test_units_that_come_back_after_a_load_are_not_counted_twice(open_shop: OpenShop) -> None:
    """With its control: under the epoch of the load, the same report would raise Redis above the ledger."""
    shop = await open_shop()
    (before,) = await _views(shop)
    await shop.forget()
    await shop.repair()
    (after,) = await _views(shop)
    assert after.epoch == after.redis_epoch == before.epoch + 1
    await give_back(shop.stock, [EndedHold(shop.sale_id, SKU, 0, "ada", 1, before.epoch)])
    assert await shop.available() == 10
    await give_back(shop.stock, [EndedHold(shop.sale_id, SKU, 0, "ada", 1, after.epoch)])
    assert await shop.available() == 11
    await shop.repair()
    assert await shop.available() == 10


async def test_a_ledger_that_is_behind_redis_takes_an_epoch_beyond_it(open_shop: OpenShop) -> None:
    shop = await open_shop()
    await shop.stock.hset(keys.stock(shop.sale_id, SKU, 0), "epoch", 40)  # type: ignore[misc]
    await shop.repair()
    (view,) = await _views(shop)
    assert view.epoch == view.redis_epoch == 41


async def test_without_redis_the_ledger_decides_at_a_bounded_rate(
    open_shop: OpenShop, start_service: StartService, redis_settings: RedisSettings
) -> None:
    shop = await open_shop(an_item(total=3))
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    service = await start_service(shop, stock=away, ledger_only_per_second=5)
    answers = await rush(shop, service, [f"user{n}" for n in range(20)])
    assert sum(isinstance(answer, Reserved) for answer in answers) == 3
    assert sum(isinstance(answer, SoldOut) for answer in answers) == 2
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 15
    await service.stop()
    await away.aclose()
    await shop.repair()
    assert (await shop.taken(), await shop.available()) == (3, 0)


async def test_while_postgresql_is_away_claims_are_given_back_and_nothing_looks_sold_out(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=3))
    here = shop.postgres
    shop.postgres = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    service = await start_service(shop)
    for n in range(3):
        answers = await rush(shop, service, [f"user{n}-{m}" for m in range(3)])
        assert all(isinstance(answer, Unavailable) for answer in answers)
    await service.stop()
    assert (await shop.available(), await shop.pending()) == (3, 0)
    await shop.postgres.close()
    shop.postgres = here
    assert await shop.units() == 0


async def test_a_large_crowd_of_buyers_is_loaded_in_pieces(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=100))
    service = await start_service(shop)
    await rush(shop, service, [f"user{n}" for n in range(25)])
    await service.stop()
    await shop.forget()
    await StockRepair(shop.postgres, shop.stock, FlashsaleSettings(load_chunk=4)).run_once()
    assert await shop.stock.hlen(keys.buyers(shop.sale_id, SKU, 0)) == 25  # type: ignore[misc]
    assert await shop.available() == 75
    for build in (keys.stock, keys.buyers):
        assert await shop.stock.ttl(build(shop.sale_id, SKU, 0)) > 0


async def test_the_view_of_redis_settles_on_the_ledger_after_a_quiet_moment(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=20, per_user_limit=3))
    service = await start_service(shop)
    await rush(shop, service, [f"user{n % 7}" for n in range(30)])
    await service.stop()
    (view,) = await _views(shop)
    assert (view.redis_available, view.redis_pending) == (view.total - view.taken, 0)


async def _views(shop: Shop) -> list[object]:
    async with shop.postgres.read() as session:
        return await stock_views(session, shop.stock, shop.sale_id)  # type: ignore[return-value]
