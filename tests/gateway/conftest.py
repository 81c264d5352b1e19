"""The door of a test: the real app on real stores, with a sale that is open and tokens for it."""

from collections.abc import AsyncIterator

import pytest

from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.gateway.scene import Scene, opened_scene


@pytest.fixture
async def closed(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> AsyncIterator[Scene]:
    """A running gateway whose sale has not been applied."""
    async with opened_scene(postgres, redis_roles, sale_id) as scene:
        yield scene


@pytest.fixture
async def scene(closed: Scene) -> Scene:
    """A running gateway with a sale that opened a minute ago: five units, at most two each."""
    await closed.open_sale()
    return closed
