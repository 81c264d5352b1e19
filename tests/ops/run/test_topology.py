"""A run on servers that have successors: refused where it cannot be, and failed over where it can."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.embedded import Servers
from kit.errors import StartRefused
from kit.postgres import Postgres
from kit.settings import PostgresSettings, RedisSettings
from ops.run.plan import POSTGRES_PRIMARY, REDIS_MASTER
from ops.run.topology import Failovers, refuse_topology
from tests.ops.run.conftest import MakePlan

NONE_NAMED = RedisSettings(redis_queue_url="", redis_stock_url="", redis_limits_url="")
OWN = PostgresSettings(database_url="")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="fg-topology-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("name", [REDIS_MASTER, POSTGRES_PRIMARY])
def test_what_has_no_successor_is_not_killed(make_plan: MakePlan, name: str) -> None:
    refuse_topology(make_plan(kill=("gateway",)), OWN, NONE_NAMED)
    refuse_topology(make_plan(kill=(name,), clustered=True), OWN, NONE_NAMED)
    with pytest.raises(StartRefused, match=f"KILL={name} .* TOPOLOGY=cluster"):
        refuse_topology(make_plan(kill=(name,)), OWN, NONE_NAMED)


def test_servers_of_somebody_else_are_not_failed_over(make_plan: MakePlan) -> None:
    theirs = PostgresSettings(database_url="postgresql://theirs/x")
    refuse_topology(make_plan(), theirs, NONE_NAMED)
    with pytest.raises(StartRefused, match="DATABASE_URL names another"):
        refuse_topology(make_plan(clustered=True), theirs, NONE_NAMED)


async def test_both_fail_over_and_their_dead_follow(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_STOCK_URL", "REDIS_LIMITS_URL"):
        monkeypatch.delenv(variable, raising=False)
    servers = Servers(reachable, clustered=True)
    said: list[str] = []

    async def all_open() -> bool:
        return True

    with servers as urls:
        assert len(servers.pids) == 2 + 6 + 1
        assert servers.cluster is not None
        assert servers.pair is not None
        store = Postgres(PostgresSettings(database_url=urls.database), pool_connections_max=1)
        failovers = Failovers(servers.cluster, servers.pair)
        for name in (POSTGRES_PRIMARY, REDIS_MASTER):
            before, after, seconds = await failovers.bring_about(
                name, store, [("sale", "phone", 0)], all_open, said.append
            )
            assert before.keys() == after.keys() == {name}
            assert before[name] != after[name]
            assert seconds is not None
        await store.close()
        assert len(servers.pair.pids | servers.cluster.pids) == 2 + 6
    assert len(said) == 5
