"""The ledger's guards, each with its control: what happens without it, and that it cannot happen with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec import structs
from sqlalchemy.exc import DBAPIError

from flashsale.committer import GroupCommitter
from flashsale.ledger import Decision
from flashsale.readings import get_reservation
from flashsale.settings import FlashsaleSettings
from kit import steps
from kit.errors import Unavailable
from kit.ids import new_id
from kit.postgres import DriverTransaction, Postgres
from kit.redis import RedisRoles
from tests.flashsale.conftest import OpenShop
from tests.flashsale.scenes import SKU, Shop, a_plan, a_wish, an_item

SETTINGS = FlashsaleSettings()
RIVALS = 6


async def rush(postgres: Postgres, shop: Shop, *, users: int) -> list[str]:
    """Rival processes commit batches of five for the same item at once; all verdicts."""
    committers = [GroupCommitter(postgres, SETTINGS) for _ in range(RIVALS)]
    batches = await asyncio.gather(
        *(
            committer.commit([a_wish(shop.sale_id, f"user{(5 * n + m) % users}") for m in range(5)])
            for n, committer in enumerate(committers)
        )
    )
    return [d.verdict if isinstance(d, Decision) else d for batch in batches for d in batch]


async def test_rival_batches_cannot_oversell(
    open_shop: OpenShop, postgres: Postgres, meet_after_reading: Callable[[int], None]
) -> None:
    shop = await open_shop(an_item(total=10))
    meet_after_reading(RIVALS)
    verdicts = await rush(postgres, shop, users=1000)
    assert (verdicts.count("granted"), verdicts.count("sold_out")) == (10, 20)
    assert (await shop.taken(), await shop.units()) == (10, 10)


async def test_without_the_item_lock_rival_batches_oversell(
    unguarded_postgres: Postgres,
    redis_roles: RedisRoles,
    sale_id: str,
    without_item_lock: Callable[[], None],
    meet_after_reading: Callable[[int], None],
) -> None:
    """The control: the same rush, without the lock, the guarded update and the table's check."""
    shop = Shop(unguarded_postgres, redis_roles, a_plan(sale_id, an_item(total=10)))
    await shop.open(loaded=False)
    without_item_lock()
    meet_after_reading(RIVALS)
    verdicts = await rush(unguarded_postgres, shop, users=1000)
    assert verdicts.count("granted") == 30
    assert (await shop.taken(), await shop.units()) == (30, 30)


async def test_the_table_refuses_an_oversale_that_the_code_would_commit(
    open_shop: OpenShop,
    postgres: Postgres,
    without_item_lock: Callable[[], None],
    meet_after_reading: Callable[[int], None],
) -> None:
    shop = await open_shop(an_item(total=10))
    without_item_lock()
    meet_after_reading(RIVALS)
    await rush(postgres, shop, users=1000)
    assert await shop.taken() == await shop.units() <= 10


async def test_rival_batches_cannot_exceed_the_limit_of_a_user(
    open_shop: OpenShop, postgres: Postgres, meet_after_reading: Callable[[int], None]
) -> None:
    shop = await open_shop(an_item(total=100, per_user_limit=2))
    meet_after_reading(RIVALS)
    verdicts = await rush(postgres, shop, users=1)
    assert (verdicts.count("granted"), verdicts.count("limit_reached")) == (2, 28)


@pytest.mark.breaks("users_within_limit")
async def test_without_the_item_lock_rival_batches_exceed_the_limit_of_a_user(
    open_shop: OpenShop,
    postgres: Postgres,
    without_item_lock: Callable[[], None],
    meet_after_reading: Callable[[int], None],
) -> None:
    """The control: no constraint of the table knows the limit, only the lock keeps two readings apart."""
    shop = await open_shop(an_item(total=100, per_user_limit=2))
    without_item_lock()
    meet_after_reading(RIVALS)
    verdicts = await rush(postgres, shop, users=1)
    assert verdicts.count("granted") > 2


async def test_a_poisoned_request_fails_alone(open_shop: OpenShop, postgres: Postgres) -> None:
    shop = await open_shop(an_item(total=100))
    wishes = [a_wish(shop.sale_id, f"user{n}") for n in range(20)]
    wishes[13] = a_wish(shop.sale_id, "poison", phone="\x00")
    outcomes = await GroupCommitter(postgres, SETTINGS).commit(wishes)
    assert outcomes[13] == "not_written"
    assert sum(isinstance(d, Decision) and d.verdict == "granted" for d in outcomes) == 19
    assert await shop.taken() == 19


async def test_one_key_for_two_items_at_once_holds_one_and_fails_nobody_else(
    open_shop: OpenShop, postgres: Postgres, meet_after_reading: Callable[[int], None]
) -> None:
    shop = await open_shop(an_item(total=100), an_item("case", total=100))
    meet_after_reading(2)
    batches = await asyncio.gather(
        *(
            GroupCommitter(postgres, SETTINGS).commit(
                [
                    *(a_wish(shop.sale_id, f"{sku}{n}", sku=sku) for n in range(5)),
                    a_wish(shop.sale_id, "ada", key="k1", sku=sku, fingerprint=sku.encode()),
                ]
            )
            for sku in (SKU, "case")
        )
    )
    verdicts = [d.verdict for batch in batches for d in batch if isinstance(d, Decision)]
    assert (verdicts.count("granted"), verdicts.count("key_reused")) == (11, 1)
    assert await shop.units() + await shop.units("case") == 11


async def test_one_key_twice_in_a_batch_holds_once(open_shop: OpenShop, postgres: Postgres) -> None:
    shop = await open_shop(an_item(total=100, per_user_limit=5))
    wishes = [a_wish(shop.sale_id, "ada", key="k1") for _ in range(2)]
    outcomes = await GroupCommitter(postgres, SETTINGS).commit(wishes)
    first, second = (outcome for outcome in outcomes if isinstance(outcome, Decision))
    assert (first.verdict, second.verdict) == ("granted", "replayed")
    assert first.reservation == second.reservation
    assert (await shop.taken(), await shop.units()) == (1, 1)


async def test_what_is_granted_is_what_the_table_has(open_shop: OpenShop, postgres: Postgres) -> None:
    shop = await open_shop(an_item(total=100, per_user_limit=5), an_item("case", price_minor=7, total=100))
    wishes = [
        a_wish(shop.sale_id, "ada", quantity=3, phone="13800008000"),
        a_wish(shop.sale_id, "o'neil", sku="case", key='a"b\\c,{}NULL'),
        a_wish(shop.sale_id, "NULL", key="null"),
    ]
    outcomes = await GroupCommitter(postgres, SETTINGS).commit(wishes)
    async with postgres.read() as session:
        stored = [await get_reservation(session, wish.reservation_id, wish.user_id) for wish in wishes]
    assert [o.reservation for o in outcomes if isinstance(o, Decision)] == stored
    again = await GroupCommitter(postgres, SETTINGS).commit(
        [structs.replace(wish, reservation_id=new_id()) for wish in wishes]
    )
    assert [o.reservation for o in again if isinstance(o, Decision)] == stored
    assert (await shop.taken(), await shop.taken("case")) == (4, 1)


class DeafPostgres(Postgres):
    """Commits, and then the connection breaks before the answer is heard; `heard` says from when on it is."""

    deaf_for = 1

    @asynccontextmanager
    async def driver(self, *, readonly: bool = False) -> AsyncIterator[DriverTransaction]:
        async with super().driver(readonly=readonly) as session:
            yield session
        if self.deaf_for:
            self.deaf_for -= 1
            raise Unavailable("postgres")


@pytest.fixture
async def deaf_postgres(postgres: Postgres) -> DeafPostgres:
    deaf = DeafPostgres.__new__(DeafPostgres)
    await postgres.driver_pool()  # one pool for both, closed with the hearing one
    vars(deaf).update(vars(postgres))
    return deaf


async def test_a_commit_whose_answer_was_lost_is_read_back_and_acknowledged(
    open_shop: OpenShop, deaf_postgres: DeafPostgres
) -> None:
    shop = await open_shop()
    wish = a_wish(shop.sale_id, "ada")
    (outcome,) = await GroupCommitter(deaf_postgres, SETTINGS).commit([wish])
    assert isinstance(outcome, Decision)
    assert outcome.reservation is not None
    assert outcome.reservation.reservation_id == wish.reservation_id
    assert await shop.units() == 1


async def test_what_cannot_be_read_back_is_unknown_and_never_a_yes(
    open_shop: OpenShop, deaf_postgres: DeafPostgres
) -> None:
    shop = await open_shop()
    deaf_postgres.deaf_for = 100
    wish = a_wish(shop.sale_id, "ada", key="k1")
    assert await GroupCommitter(deaf_postgres, SETTINGS).commit([wish]) == ["unknown"]
    deaf_postgres.deaf_for = 0
    # The client's repeat finds out.
    again = await GroupCommitter(deaf_postgres, SETTINGS).commit([a_wish(shop.sale_id, "ada", key="k1")])
    assert isinstance(again[0], Decision)
    assert again[0].verdict == "replayed"
    assert await shop.units() == 1


async def test_what_was_rolled_back_is_known_not_to_be_written(
    open_shop: OpenShop, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flashsale import committer

    async def write_nothing(*_: object) -> None:
        raise Unavailable("postgres")

    shop = await open_shop()
    monkeypatch.setattr(committer, "write_batch", write_nothing)
    assert await GroupCommitter(postgres, SETTINGS).commit([a_wish(shop.sale_id, "ada")]) == ["not_written"]
    assert await shop.units() == 0


async def test_the_table_itself_refuses_to_be_oversold(open_shop: OpenShop, postgres: Postgres) -> None:
    from sqlalchemy import text

    shop = await open_shop(an_item(total=1))
    with pytest.raises(DBAPIError, match="never_oversold"):
        async with postgres.unit_of_work() as session:
            await session.execute(
                text("UPDATE flashsale.buckets SET taken = 2 WHERE sale_id = :sale_id"),
                {"sale_id": shop.sale_id},
            )


@pytest.mark.parametrize(("when", "outcome"), [("before", "not_written"), ("after", "granted")])
async def test_whatever_fails_around_the_commit_what_it_left_is_read_back(
    open_shop: OpenShop, postgres: Postgres, when: str, outcome: str
) -> None:
    shop = await open_shop(an_item(total=2))
    steps.arm(f"raise:commit.{when}/flashsale.committer.GroupCommitter._commit#1")
    try:
        outcomes = await GroupCommitter(postgres, SETTINGS).commit(
            [a_wish(shop.sale_id, user) for user in ("ada", "bo")]
        )
    finally:
        steps.arm("")
    assert [o.verdict if isinstance(o, Decision) else o for o in outcomes] == [outcome] * 2
    assert await shop.units() == (2 if outcome == "granted" else 0)
