"""The one house of a run, and what a row's course becomes: a trial on whatever ground it is given."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from redis.asyncio import Redis

from kit.clock import SystemClock
from ops.faults.house.buyers import Diary, Stuck
from ops.faults.house.door import Door
from ops.faults.house.house import House
from ops.faults.house.shop import Shop
from ops.faults.house.terms import Terms, apply_sale
from ops.faults.matrix import FaultRow, Found, Ground, Trial
from ops.run.stores import Stores, open_stores

SHOPPERS: Final = 24  # more than there are units, so that every sale sells out
TERMS: Final = Terms()

Course = Callable[[Shop], Awaitable[Found]]
_houses: Final[dict[str, House]] = {}
_spare: Final[dict[tuple[str, Terms], str]] = {}  # sales that are open already, by house and terms


async def the_house(ground: Ground) -> House:
    """The house on these servers, opened by the first who asks. Raises `StartRefused`."""
    house = _houses.get(ground.database_url)
    if house is None:
        house = House(ground, ground.folder.parent / "house")
        _houses[ground.database_url] = house
        await house.open()
    return house


def close() -> None:
    """Ends every process of every house."""
    _spare.clear()
    while _houses:
        _houses.popitem()[1].close()


def in_the_house(
    course: Course, terms: Terms = TERMS, *, shoppers: int = SHOPPERS, extras: Sequence[str] = ()
) -> Trial:
    """A trial that puts the house right, with these extra processes, opens a fresh sale and follows `course`.

    Who is given up on by the system is a violation.
    """

    async def trial(ground: Ground) -> Found:
        house = await the_house(ground)
        await house.put_right(extras)
        async with open_shop(house, ground, terms, shoppers=shoppers) as shop:
            try:
                return await course(shop)
            except Stuck as stuck:
                return Found("the course could not go on", violations=(f"stuck: {stuck}",))

    return trial


def house_row(
    row_id: str,
    what: str,
    what_zh: str,
    course: Course,
    *extras: str,
    terms: Terms = TERMS,
    shoppers: int = SHOPPERS,
    control: Course | None = None,
) -> FaultRow:
    """A row whose trial follows `course` in the house; `control` is the course without its guard."""

    def trial(of: Course) -> Trial:
        return in_the_house(of, terms, shoppers=shoppers, extras=extras)

    return FaultRow(
        row_id, what, what_zh, "house", trial(course), None if control is None else trial(control)
    )


@asynccontextmanager
async def open_shop(house: House, ground: Ground, terms: Terms, *, shoppers: int) -> AsyncIterator[Shop]:
    """A fresh sale in the house that the gateway shows, and shoppers who are inside."""
    ground.folder.mkdir(parents=True, exist_ok=True)
    clock, dice = SystemClock(), Random(ground.seed)  # noqa: S311 - repeatable on purpose
    diary = Diary(ground.folder / "history.jsonl", clock)
    try:
        async with (
            open_stores(house.urls, house.environment) as stores,
            Door(house, clock) as door,
            Redis.from_url(house.urls.redis_broker) as broker,
        ):
            sale_id = await _fresh_sale(stores, ground, terms)
            shop = Shop(house, stores, door, diary, broker, dice, sale_id, terms)
            try:
                await shop.misbehave()
                await shop.until_shown(sale_id)
                await shop.let_in(shoppers)
                yield shop
            finally:
                await shop.close()
    finally:
        diary.close()


async def _fresh_sale(stores: Stores, ground: Ground, terms: Terms) -> str:
    """A sale of which nothing is sold yet. The next one is applied as well: views are a second old, and a trial that
    finds its sale shown is shorter by two or three."""
    name = ground.database_url, terms
    for _ in range(1 if name in _spare else 2):
        sale_id, _spare[name] = _spare.get(name, ""), f"faults-{secrets.token_hex(6)}"
        await apply_sale(stores.postgres, _spare[name], terms, 0.0)
    return sale_id
