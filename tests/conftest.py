"""Real servers for every test: an embedded PostgreSQL and Redis a test process, or those the environment names.

Tests never flush a store: each makes its own sale with an id of its own, so they can share servers with others.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from kit.embedded import Servers, ServerUrls
from kit.embedded.cluster import EmbeddedCluster
from kit.embedded.ports import free_port
from kit.embedded.redis import EmbeddedRedis
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from ops.migrate import migrate
from tests.judged import judge_after
from tests.oldredis import OldRedis
from tests.patience import patient

# A busy machine is no failure: examples are judged by what they show, not by how long they take.
settings.register_profile("floodgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("floodgate")


HEAVY = ("run", "browser")  # the markers of what takes both cores for minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Heavy modules lie as far from each other as they can, and none at the end.

    Two beside each other run into the bounds of what they start; one that comes last keeps the other process idle.
    """
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    heavy = [each for each in modules.values() if any(map(_is_heavy, each))]
    light = [each for each in modules.values() if not any(map(_is_heavy, each))]
    apart = len(light) // (len(heavy) + 1)
    for place, each in enumerate(heavy):
        light.insert(place * (apart + 1), each)
    items[:] = [item for each in light for item in each]


def _is_heavy(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in HEAVY)


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerUrls]:
    """Servers of this test process, with a freshly migrated database of its own, dropped at the end."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with tempfile.TemporaryDirectory(prefix=f"fg-{worker}-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with Servers(Path(folder)) as urls:
            database = f"floodgate_test_{uuid4().hex[:12]}"
            asyncio.run(_administer(urls.database, f"CREATE DATABASE {database}"))
            own = replace(urls, database=urlunsplit(urlsplit(urls.database)._replace(path=f"/{database}")))
            migrate(own.database)
            yield own
            asyncio.run(_administer(urls.database, f"DROP DATABASE {database} WITH (FORCE)"))


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[EmbeddedCluster]:
    """A Redis Cluster of this test process. Who kills a node brings it back."""
    with tempfile.TemporaryDirectory(prefix="fg-cluster-", ignore_cleanup_errors=True) as folder:
        cluster = EmbeddedCluster(Path(folder))
        cluster.start()
        yield cluster
        cluster.stop()


@pytest.fixture
async def cluster_client(redis_cluster: EmbeddedCluster) -> AsyncIterator[Redis]:
    # A node that is gone refuses at once; one that is only slow, with six on a busy machine, is waited for.
    patient = RedisSettings(redis_command_seconds=20, redis_connect_seconds=20)
    client = connect(redis_cluster.url, patient, purpose="stock")
    yield client
    await client.aclose()


@pytest.fixture
def redis_settings(servers: ServerUrls) -> RedisSettings:
    return RedisSettings(
        redis_queue_url=servers.redis_queue,
        redis_stock_url=servers.redis_stock,
        redis_limits_url=servers.redis_limits,
        redis_broker_url=servers.redis_broker,
    )


@pytest.fixture
async def postgres(servers: ServerUrls, request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    """The PostgreSQL of this test process; the sale of a test that has one is judged when the test is over."""
    sale = request.getfixturevalue("sale_id") if "sale_id" in request.fixturenames else None
    store = Postgres(patient(servers.database))
    yield store
    try:
        if sale is not None:
            await judge_after(request.node, store, sale)
    finally:
        await store.close()


@pytest.fixture
async def redis_roles(redis_settings: RedisSettings) -> AsyncIterator[RedisRoles]:
    roles = RedisRoles.connect(redis_settings)
    yield roles
    await roles.close()


@pytest.fixture
def sale_id() -> str:
    """An id no other test uses."""
    return f"sale-{uuid4().hex[:16]}"


@pytest.fixture
def old_redis(tmp_path: Path) -> Iterator[OldRedis]:
    """A Redis of this test's own that can come back with the files of yesterday."""
    server = EmbeddedRedis(tmp_path / "redis", port=free_port())
    yield OldRedis(server, server.start())
    server.stop()
