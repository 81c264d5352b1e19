"""Limits on the real server, and on servers of their own that a test may stop."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from kit.clock import SteppedClock
from kit.embedded.redis import EmbeddedRedis
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from tests.queueing.limits.scene import Fleet, Server


@pytest.fixture
def scope() -> str:
    """A scope no other test uses."""
    return f"scope-{uuid4().hex[:12]}"


@pytest.fixture
def settings() -> LimitSettings:
    # The machine of the tests is busy: an answer may take its time here.
    return LimitSettings(answer_seconds_max=10, waiting_seconds_max=30)


@pytest.fixture
def store(redis_roles: RedisRoles) -> Redis:
    return redis_roles.limits


@pytest.fixture
async def limits(store: Redis, settings: LimitSettings) -> AsyncIterator[Limits]:
    one = Limits(store, settings, SteppedClock())
    yield one
    await one.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis of this test's own."""
    embedded = EmbeddedRedis(tmp_path / "redis")
    one = Server(embedded, embedded.start())
    yield one
    one.embedded.stop()


@pytest.fixture
async def make_fleet(server: Server) -> AsyncIterator[Callable[..., Fleet]]:
    """Several processes, as far as Redis can tell, on a server that can be stopped."""
    fleets: list[Fleet] = []

    def make(processes: int, **changes: float) -> Fleet:
        fleet = Fleet.on(server, processes, **changes)
        fleets.append(fleet)
        return fleet

    yield make
    for fleet in fleets:
        await fleet.close()


@pytest.fixture
async def own_store(server: Server) -> AsyncIterator[Redis]:
    client = connect(server.url, RedisSettings(), purpose="limits")
    yield client
    await client.aclose()
