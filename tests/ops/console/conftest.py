"""The console on the test's stores, and the tokens of its staff."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from kit.clock import SystemClock
from kit.identity import Identities, IdentitySettings
from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.console.app import Parts, create_app
from ops.desk.places import place_finder
from ops.desk.service import Desk
from tests.ops.invariants.scene import Scene, play

SignedIn = Callable[..., dict[str, str]]


@pytest.fixture
async def scene(postgres: Postgres, sale_id: str) -> Scene:
    return await play(postgres, sale_id)


@pytest.fixture
def identities() -> Identities:
    return Identities(IdentitySettings(keys="k1:" + "s" * 40), SystemClock())


@pytest.fixture
def console(postgres: Postgres, redis_roles: RedisRoles, identities: Identities) -> FastAPI:
    return create_app(Parts(postgres, Desk(place_finder(redis_roles.queue)), identities))


@pytest.fixture
async def http(console: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(console)
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
        yield client


@pytest.fixture
def signed_in(identities: Identities) -> SignedIn:
    """The headers of a member of staff with the given roles, in the given language."""

    def headers(*roles: str, language: str = "en") -> dict[str, str]:
        token = identities.issue("mei", roles=frozenset(roles))
        return {"Authorization": f"Bearer {token}", "Accept-Language": language}

    return headers
