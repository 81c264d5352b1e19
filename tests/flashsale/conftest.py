from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from flashsale.reservations import Reservations
from flashsale.sales import ItemPlan
from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.flashsale.scenes import Shop, a_plan

OpenShop = Callable[..., Awaitable[Shop]]
StartService = Callable[..., Awaitable[Reservations]]


@pytest.fixture
def open_shop(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> OpenShop:
    """Opens the sale of this test with the given items."""

    async def open_it(*items: ItemPlan, loaded: bool = True, **changes: Any) -> Shop:
        shop = Shop(postgres, redis_roles, a_plan(sale_id, *items, **changes))
        await shop.open(loaded=loaded)
        return shop

    return open_it


@pytest.fixture
async def start_service() -> AsyncIterator[StartService]:
    """Starts a process's reservation service and stops it at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(shop: Shop, **options: Any) -> Reservations:
            service = shop.service(**options)
            await service.start()
            stack.push_async_callback(service.stop)
            return service

        yield start
