"""The one house of a run, and what a row's course becomes: a trial on whatever ground it is given."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ops.faults.house.buyers import Stuck
from ops.faults.house.house import House
from ops.faults.house.shop import HOLD_SECONDS, Shop, open_shop
from ops.faults.matrix import Found, Ground, Trial

UNITS: Final = 16
SHOPPERS: Final = 24  # more than there are units, so that every sale sells out

Course = Callable[[Shop], Awaitable[Found]]
_houses: Final[dict[str, House]] = {}


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
    while _houses:
        _houses.popitem()[1].close()


async def close_houses() -> None:
    """Like `close`, beside a running loop."""
    await asyncio.to_thread(close)


def in_the_house(
    course: Course,
    *,
    units: int = UNITS,
    shoppers: int = SHOPPERS,
    per_user_limit: int = 1,
    hold_seconds: int = HOLD_SECONDS,
) -> Trial:
    """A trial that opens a fresh sale and follows `course`; who is given up on by the system is a violation."""

    async def trial(ground: Ground) -> Found:
        house = await the_house(ground)
        async with open_shop(
            house,
            ground,
            units=units,
            shoppers=shoppers,
            per_user_limit=per_user_limit,
            hold_seconds=hold_seconds,
        ) as shop:
            try:
                return await course(shop)
            except Stuck as stuck:
                return Found("the course could not go on", violations=(f"stuck: {stuck}",))

    return trial
