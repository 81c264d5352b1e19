"""A sale that was played to its end on the real stores, and the desk that answers about it."""

import pytest

from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.desk.audit import Viewer
from ops.desk.places import place_finder
from ops.desk.service import Desk
from tests.ops.invariants.scene import Scene, play

AGENT = Viewer(actor="agent-7", door="console", roles=frozenset({"cs_agent"}))


@pytest.fixture
async def scene(postgres: Postgres, sale_id: str) -> Scene:
    return await play(postgres, sale_id)


@pytest.fixture
def desk(redis_roles: RedisRoles) -> Desk:
    return Desk(place_finder(redis_roles.queue))
