"""Family A, selling what is not there: what others got wrong, each shown not to be so here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flashsale import keys, ledger, rules
from flashsale.committer import GroupCommitter
from flashsale.errors import SoldOut
from flashsale.facts import PaymentHandle, Reserved
from flashsale.ledger import Decision, lock_buckets, write_batch
from flashsale.payments import Payments
from flashsale.rules import Wish
from flashsale.sales import apply_sale
from flashsale.settings import FlashsaleSettings
from flashsale.stock import StockClaims
from flashsale.upkeep import StockRepair, expire_due
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.known.waits import backend_of, until_blocked
from tests.flashsale.paying import a_notice, expire, tell
from tests.flashsale.scenes import SKU, Shop, a_plan, a_request, a_wish, an_item

SETTINGS = FlashsaleSettings()


def verdicts_of(outcomes: Sequence[object]) -> list[str]:
    return [each.verdict if isinstance(each, Decision) else str(each) for each in outcomes]


async def test_who_was_promised_a_unit_can_always_pay_for_it(
    open_shop: OpenShop, start_service: StartService, payments: Payments
) -> None:
    """Number 2: checked in one transaction and claimed in another, some would pay and then be refused."""
    shop = await open_shop(an_item(total=4))
    services = [await start_service(shop) for _ in range(2)]
    answers = await asyncio.gather(
        *(services[n % 2].reserve(a_request(shop.sale_id, f"user{n}")) for n in range(24)),
        return_exceptions=True,
    )
    held = [answer.reservation for answer in answers if isinstance(answer, Reserved)]
    handles = [await payments.open_payment(each.reservation_id, each.user_id) for each in held]
    told = await asyncio.gather(*(tell(payments, shop.postgres, a_notice(handle)) for handle in handles))
    assert told == ["confirmed"] * 4


async def test_a_hold_and_its_units_are_written_together_or_not_at_all(
    open_shop: OpenShop, postgres: Postgres
) -> None:
    """Number 2: whoever looks from outside never sees the one without the other."""
    shop = await open_shop(an_item(total=4))
    async with postgres.driver() as session:
        await write_batch(session, [a_wish(shop.sale_id, "ada")])
        assert (await shop.taken(), await shop.units()) == (0, 0)
    assert (await shop.taken(), await shop.units()) == (1, 1)
    with pytest.raises(RuntimeError):
        async with postgres.driver() as session:
            await write_batch(session, [a_wish(shop.sale_id, "bob")])
            raise RuntimeError
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_two_lines_of_one_item_are_judged_by_their_sum(
    open_shop: OpenShop, start_service: StartService, postgres: Postgres
) -> None:
    """Number 4: each line alone fits the five that are there. By Redis, by the ledger, and by the limit of a user."""
    shop = await open_shop(an_item(total=5, per_user_limit=5))
    lines = [a_wish(shop.sale_id, "ada", quantity=3) for _ in range(2)]
    claims = StockClaims(shop.stock, shop.book, rest_seconds=1)
    assert sorted(await claims.claim(lines)) == ["claimed", "limit_reached"]
    assert await claims.claim([a_wish(shop.sale_id, "bob", quantity=3)]) == ["sold_out"]
    outcomes = await GroupCommitter(postgres, SETTINGS).commit(
        [*lines, a_wish(shop.sale_id, "bob", quantity=3)]
    )
    assert verdicts_of(outcomes) == ["granted", "limit_reached", "sold_out"]
    assert (await shop.taken(), await shop.units()) == (3, 3)


async def test_without_the_sum_two_lines_of_one_item_sell_more_than_there_is(
    unguarded_postgres: Postgres,
    redis_roles: RedisRoles,
    sale_id: str,
    without_item_lock: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: each line judged by itself, in a database without the table's check."""

    def judge_each_alone(wishes: Sequence[Wish], *known: Any) -> list[str]:
        return [verdict for wish in wishes for verdict in rules.decide([wish], *known)]

    shop = Shop(unguarded_postgres, redis_roles, a_plan(sale_id, an_item(total=5, per_user_limit=5)))
    await shop.open(loaded=False)
    without_item_lock()
    monkeypatch.setattr(ledger, "decide", judge_each_alone)
    lines = [a_wish(shop.sale_id, name, quantity=3) for name in ("ada", "bob")]
    assert verdicts_of(await GroupCommitter(unguarded_postgres, SETTINGS).commit(lines)) == ["granted"] * 2
    assert await shop.units() == 6


async def test_a_load_amid_claims_in_flight_forgets_none_of_them(
    open_shop: OpenShop, start_service: StartService, postgres: Postgres
) -> None:
    """Number 5: the ledger's count is written over Redis's while six claims wait for their commit."""
    shop = await open_shop(an_item(total=10))
    wishes, claims = [a_wish(shop.sale_id, f"user{n}") for n in range(6)], _claims(shop)
    assert await claims.claim(wishes) == ["claimed"] * 6
    await shop.forget()
    await StockRepair(postgres, shop.stock, SETTINGS).run_once()
    assert await shop.available() == 10
    await _commit_and_report(claims, postgres, wishes)
    assert await shop.available() == 4
    assert await _sold_to_ten_more(shop, await start_service(shop)) == 4
    assert (await shop.taken(), await shop.units()) == (10, 10)


async def test_without_an_epoch_a_count_written_over_the_claims_offers_them_again(
    open_shop: OpenShop, start_service: StartService, postgres: Postgres
) -> None:
    """The control: the ledger's count over Redis's under the same epoch. Redis offers ten of four; the ledger sells four."""
    shop = await open_shop(an_item(total=10))
    wishes, claims = [a_wish(shop.sale_id, f"user{n}") for n in range(6)], _claims(shop)
    await claims.claim(wishes)
    await shop.stock.hset(keys.stock(shop.sale_id, SKU, 0), "available", 10)  # type: ignore[misc]
    await _commit_and_report(claims, postgres, wishes)
    assert await shop.available() == 10
    assert await _sold_to_ten_more(shop, await start_service(shop)) == 4


async def test_what_redis_knows_of_a_sale_outlives_the_sale(open_shop: OpenShop) -> None:
    """Number 5: a stock key that ran out in mid-sale would be filled anew from a count without the pending holds."""
    shop = await open_shop()
    await _claims(shop).claim([a_wish(shop.sale_id, "ada")])
    sale_seconds = (shop.plan.closes_at - datetime.now(UTC)).total_seconds()
    for build in (keys.stock, keys.pending, keys.buyers):
        assert await shop.stock.ttl(build(shop.sale_id, SKU, 0)) > sale_seconds


@dataclass
class Stage:
    """Ada holds a unit; Eve's hold has ended and her money is on its way."""

    shop: Shop
    start: StartService
    payments: Payments
    ada_id: UUID
    eve_pays: PaymentHandle


async def reserve_with_redis(stage: Stage) -> None:
    await (await stage.start(stage.shop)).reserve(a_request(stage.shop.sale_id, "bob"))


async def reserve_without_redis(stage: Stage) -> None:
    away = connect("redis://127.0.0.1:1/0", RedisSettings(), purpose="stock")
    await (await stage.start(stage.shop, stock=away)).reserve(a_request(stage.shop.sale_id, "bob"))
    await away.aclose()


async def release(stage: Stage) -> None:
    service = await stage.start(stage.shop)
    async with stage.shop.postgres.unit_of_work() as session:
        await service.release(session, stage.ada_id, "ada")


async def end_overdue(stage: Stage) -> None:
    await stage.shop.overdue(stage.ada_id)
    async with stage.shop.postgres.unit_of_work() as session:
        await expire_due(session, stage.shop.stock, batch_max=1)


async def pay_late(stage: Stage) -> None:
    assert await tell(stage.payments, stage.shop.postgres, a_notice(stage.eve_pays)) == "regranted"


async def change_the_stock(stage: Stage) -> None:
    more = replace(stage.shop.plan, items=(an_item(total=11),))
    async with stage.shop.postgres.unit_of_work() as session:
        await apply_sale(session, more)


async def load(stage: Stage) -> None:
    await stage.shop.forget()
    await stage.shop.repair()


PATHS = (reserve_with_redis, reserve_without_redis, release, end_overdue, pay_late, change_the_stock, load)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
async def test_no_path_to_the_stock_goes_round_the_items_lock(
    path: Callable[[Stage], Awaitable[None]],
    open_shop: OpenShop,
    start_service: StartService,
    payments: Payments,
    postgres: Postgres,
) -> None:
    """Number 7: a path "optimised" so that it needs no lock. Each of ours waits for whoever is deciding now."""
    shop = await open_shop()
    service = await start_service(shop)
    ada, eve = [
        (await service.reserve(a_request(shop.sale_id, name))).reservation.reservation_id
        for name in ("ada", "eve")
    ]
    stage = Stage(shop, start_service, payments, ada, await payments.open_payment(eve, "eve"))
    await expire(shop, eve)
    async with postgres.unit_of_work() as deciding:
        await lock_buckets(deciding, [(shop.sale_id, SKU, 0)])
        taking = asyncio.create_task(path(stage))
        await until_blocked(postgres, await backend_of(deciding))
        assert not taking.done()
    await taking


async def test_whose_lock_is_lost_in_the_middle_of_the_work_cannot_finish_it(
    open_shop: OpenShop, postgres: Postgres
) -> None:
    """Number 8: a lock that runs out before the work, and two sellers who both believe they hold it."""
    shop = await open_shop(an_item(total=1))
    with pytest.raises(Unavailable):
        async with postgres.unit_of_work() as stalled:
            decided = await write_batch(stalled, [a_wish(shop.sale_id, "ada")])
            assert verdicts_of(decided) == ["granted"]
            async with postgres.unit_of_work() as other:
                pid = await backend_of(stalled)
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            (bobs,) = await GroupCommitter(postgres, SETTINGS).commit([a_wish(shop.sale_id, "bob")])
    assert verdicts_of([bobs]) == ["granted"]
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_nobody_decides_by_what_was_read_before_the_lock(
    open_shop: OpenShop, postgres: Postgres
) -> None:
    """Number 8: a transaction that is wider than its lock, and decides by a count from before it."""
    shop = await open_shop(an_item(total=1))
    async with postgres.unit_of_work() as early:
        await early.execute(text("SELECT count(*) FROM flashsale.buckets"))
        async with postgres.unit_of_work() as late:
            pid = await backend_of(late)
            assert verdicts_of(await write_batch(late, [a_wish(shop.sale_id, "bob")])) == ["granted"]
            adas = asyncio.create_task(write_batch(early, [a_wish(shop.sale_id, "ada")]))
            await until_blocked(postgres, pid)
        assert verdicts_of(await adas) == ["sold_out"]
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_units_taken_and_given_back_at_once_are_all_counted(
    open_shop: OpenShop, start_service: StartService, postgres: Postgres
) -> None:
    """Number 9: reading a counter, reckoning, and writing it back loses what others counted meanwhile."""
    shop = await open_shop(an_item(total=20))
    service = await start_service(shop)
    held = [await service.reserve(a_request(shop.sale_id, f"early{n}")) for n in range(8)]

    async def give_back(at: int) -> None:
        async with postgres.unit_of_work() as session:
            await service.release(session, held[at].reservation.reservation_id, f"early{at}")

    await asyncio.gather(
        *(each for n in range(8) for each in (give_back(n), _reserve(service, shop, f"late{n}")))
    )
    assert await shop.taken() == await shop.units() == 8


def _claims(shop: Shop) -> StockClaims:
    return StockClaims(shop.stock, shop.book, rest_seconds=1)


async def _commit_and_report(claims: StockClaims, postgres: Postgres, wishes: Sequence[Wish]) -> None:
    for wish, outcome in zip(wishes, await GroupCommitter(postgres, SETTINGS).commit(wishes), strict=True):
        assert isinstance(outcome, Decision)
        assert outcome.item is not None
        claims.settle(wish, epoch=outcome.item.epoch)
    await claims.flush()


async def _reserve(service: Any, shop: Shop, user: str) -> object:
    return await service.reserve(a_request(shop.sale_id, user))


async def _sold_to_ten_more(shop: Shop, service: Any) -> int:
    answers = await asyncio.gather(
        *(_reserve(service, shop, f"more{n}") for n in range(10)), return_exceptions=True
    )
    assert all(isinstance(answer, Reserved | SoldOut) for answer in answers)
    return sum(isinstance(answer, Reserved) for answer in answers)
