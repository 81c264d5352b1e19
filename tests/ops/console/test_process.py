"""`python -m ops.console` as a process: it answers, it ends in order, and it says in one sentence why it cannot start."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from kit.embedded import ServerUrls
from kit.embedded.ports import free_port
from tests.ops.console.conftest import SignedIn

KEYS = "k1:" + "s" * 40


@asynccontextmanager
async def console(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.console",
        env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def environment(servers: ServerUrls) -> dict[str, str]:
    return {
        "DATABASE_URL": servers.database,
        "REDIS_QUEUE_URL": servers.redis_queue,
        "IDENTITY_KEYS": KEYS,
        "CONSOLE_PORT": str(free_port()),
        "HEALTH_PORT": str(free_port()),
        "CONSOLE_DRAIN_SECONDS": "0",
    }


async def until_ready(port: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient() as http:
        for _ in range(300):
            assert process.returncode is None
            try:
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    pytest.fail("the console was not ready within 30 seconds")


async def test_it_answers_and_ends_in_order(environment: dict[str, str], signed_in: SignedIn) -> None:
    async with console(environment) as process, httpx.AsyncClient() as http:
        await until_ready(environment["HEALTH_PORT"], process)
        address = f"http://127.0.0.1:{environment['CONSOLE_PORT']}"
        answer = await http.get(f"{address}/v1/desk/users/somebody", headers=signed_in("cs_agent"))
        assert answer.status_code == 200
        metrics = await http.get(f"http://127.0.0.1:{environment['HEALTH_PORT']}/metrics")
        assert "floodgate_desk_answers_total" in metrics.text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"IDENTITY_KEYS": ""}, "IDENTITY_KEYS"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_QUEUE_URL": "http://x"}, "REDIS_QUEUE_URL"),
    ],
)
async def test_what_is_missing_is_said_in_one_sentence(
    environment: dict[str, str], change: dict[str, str], said: str
) -> None:
    await assert_refused(environment | change, said)


async def test_a_taken_port_is_said_in_one_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["CONSOLE_PORT"])))
        taken.listen()
        await assert_refused(environment, "CONSOLE_PORT")


async def assert_refused(environment: dict[str, str], said: str) -> None:
    async with console(environment) as process:
        _, stderr = await asyncio.wait_for(process.communicate(), 60)
    lines = [line for line in stderr.decode().splitlines() if not line.startswith("{")]
    assert process.returncode == 2
    assert len(lines) == 1
    assert said in lines[0]
