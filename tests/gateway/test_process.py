"""`python -m gateway` as a process: it serves, it ends in order, and it says in one sentence why it cannot start."""

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
from tests.gateway.scene import IDENTITY, QUEUEING, SECRET


@pytest.fixture
def environment(servers: ServerUrls) -> dict[str, str]:
    return {
        **servers.as_environment(),
        "IDENTITY_KEYS": IDENTITY.keys,
        "QUEUEING_KEYS": QUEUEING.keys,
        "PROVIDER_URL": "http://127.0.0.1:1",
        "PROVIDER_API_KEY": "k",
        "PROVIDER_WEBHOOK_SECRET": SECRET,
        "GATEWAY_PORT": str(free_port()),
        "HEALTH_PORT": str(free_port()),
        "GATEWAY_LOCAL_ISSUER": "true",
        "GATEWAY_DRAIN_SECONDS": "1",
    }


@asynccontextmanager
async def gateway(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_ready(probes: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient() as http:
        for _ in range(300):
            assert process.returncode is None
            try:
                if (await http.get(f"{probes}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    pytest.fail("the gateway was not ready within 30 seconds")


async def test_it_serves_drains_while_it_still_accepts_and_ends_well(environment: dict[str, str]) -> None:
    door = f"http://127.0.0.1:{environment['GATEWAY_PORT']}"
    probes = f"http://127.0.0.1:{environment['HEALTH_PORT']}"
    async with gateway(environment) as process, httpx.AsyncClient(timeout=20) as http:
        await until_ready(probes, process)
        signed_in = await http.post(f"{door}/v1/local/sign-in", json={"user_id": "ann"})
        headers = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        async with http.stream("GET", f"{door}/v1/me/events", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            process.send_signal(signal.SIGTERM)
            async for _ in lines:  # the stream is ended, so that its client goes to a process that stays
                pass
        # Between the signal and the closing of the port a balancer still sends, and is still answered.
        assert (await http.get(f"{probes}/readyz")).text == "draining\n"
        assert (await http.get(f"{door}/v1/sales")).status_code == 200
        metrics = (await http.get(f"{probes}/metrics")).text
        assert 'http_server_request_duration_seconds_count{method="GET",route="/v1/sales"' in metrics
        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DATABASE_URL": "mysql://me@host/db"}, "DATABASE_URL"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_STOCK_URL": "http://host"}, "REDIS_STOCK_URL"),
        ({"QUEUEING_KEYS": ""}, "QUEUEING_KEYS"),
        ({"IDENTITY_KEYS": "k:short"}, "IDENTITY_KEYS"),
        ({"PROVIDER_WEBHOOK_SECRET": "secret"}, "PROVIDER_WEBHOOK_SECRET"),
        ({"PROVIDER_URL": ""}, "PROVIDER_URL"),
        ({"GATEWAY_PORT": "http"}, "GATEWAY_PORT"),
        ({"GATEWAY_HOST": "192.0.2.1"}, "192.0.2.1"),
        ({"HEALTH_PORT": "0"}, "HEALTH_PORT"),
        ({"LOG_LEVEL": "SHOUT"}, "LOG_LEVEL"),
    ],
    ids=str,
)
async def test_what_it_cannot_start_with_is_told_in_one_sentence(
    environment: dict[str, str], changes: dict[str, str], words: str
) -> None:
    async with gateway({**environment, **changes}) as process:
        _, error = await asyncio.wait_for(process.communicate(), 60)
    lines = error.decode().strip().splitlines()
    assert process.returncode == 2, lines
    assert len(lines) == 1
    assert words in lines[0]
    assert "secret" not in lines[0] or "secret" in words.lower() or "kid:secret" in lines[0]


async def test_a_taken_port_is_told_at_once(environment: dict[str, str]) -> None:
    for name in ("GATEWAY_PORT", "HEALTH_PORT"):
        with socket.create_server(("127.0.0.1", int(environment[name]))):
            async with gateway(environment) as process:
                _, error = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 2
        assert name in error.decode()
        assert len(error.decode().strip().splitlines()) == 1
