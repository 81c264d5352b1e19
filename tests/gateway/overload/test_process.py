"""The gateway itself, as a process with its express lane: slow callers, too many headers, and its end under load."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from kit.embedded import ServerUrls
from kit.postgres import Postgres
from kit.redis import RedisRoles
from tests.gateway.scene import IDENTITY, QUEUEING, SECRET, opened_scene
from tests.kit.web.beside import compare
from tests.kit.web.callers import Told, ask_on_one_connection, ask_until_refused, ask_while_ready
from tests.kit.web.running import Running, dialled, read_answer, rest_of, running, trickle


@pytest.fixture
async def opened(postgres: Postgres, redis_roles: RedisRoles, sale_id: str) -> AsyncIterator[str]:
    """A sale that is open, for any gateway on these stores."""
    async with opened_scene(postgres, redis_roles, sale_id) as scene:
        await scene.open_sale()
        yield sale_id


@pytest.fixture
def environment(servers: ServerUrls) -> dict[str, str]:
    return {
        "DATABASE_URL": servers.database,
        "REDIS_QUEUE_URL": servers.redis_queue,
        "REDIS_STOCK_URL": servers.redis_stock,
        "REDIS_LIMITS_URL": servers.redis_limits,
        "REDIS_BROKER_URL": servers.redis_broker,
        "IDENTITY_KEYS": IDENTITY.keys,
        "QUEUEING_KEYS": QUEUEING.keys,
        "PROVIDER_URL": "http://127.0.0.1:1",
        "PROVIDER_API_KEY": "k",
        "PROVIDER_WEBHOOK_SECRET": SECRET,
        "GATEWAY_LOCAL_ISSUER": "true",
        "LOG_LEVEL": "WARNING",
    }


def document(sale_id: str) -> bytes:
    """A request that the lane answers from memory."""
    return f"GET /v1/sales/{sale_id}/queue HTTP/1.1\r\nhost: shop\r\n\r\n".encode()


SALES = b"GET /v1/sales HTTP/1.1\r\nhost: shop\r\n\r\n"  # a request that the framework answers


async def join(server: Running, sale_id: str) -> bytes:
    """A request that the lane answers after a round trip."""
    body = json.dumps({"user_id": f"ann.{sale_id}"}).encode()
    async with dialled(server) as (reader, writer):
        head = f"POST /v1/local/sign-in HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        token = json.loads((await read_answer(reader)).body)["token"]
        return f"POST /v1/sales/{sale_id}/tickets HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n\r\n".encode()


async def test_a_thousand_trickling_sockets_leave_the_lane_nine_tenths(
    opened: str, environment: dict[str, str]
) -> None:
    with running("gateway", environment) as server:
        alone, beside = await compare(server, document(opened))
    assert beside >= 0.9 * alone, (beside, alone)


async def test_no_request_fails_when_the_gateway_leaves_under_load(
    opened: str, environment: dict[str, str]
) -> None:
    told = Told()
    with running("gateway", environment) as server:
        joining = await join(server, opened)
        asking = [
            *(asyncio.create_task(ask_until_refused(server, told, document(opened))) for _ in range(4)),
            *(asyncio.create_task(ask_on_one_connection(server, told, document(opened))) for _ in range(4)),
            *(asyncio.create_task(ask_on_one_connection(server, told, SALES)) for _ in range(4)),
            *(asyncio.create_task(ask_on_one_connection(server, told, joining)) for _ in range(4)),
            *(asyncio.create_task(ask_until_refused(server, told, joining)) for _ in range(4)),
            asyncio.create_task(ask_while_ready(server, told, f"/v1/sales/{opened}/queue")),
        ]
        await asyncio.sleep(1.0)
        server.terminate()
        await asyncio.wait_for(asyncio.gather(*asking), timeout=20)
        code = await asyncio.to_thread(server.process.wait, 20)
    assert told.failed == []
    assert (code, told.answered > 100) == (0, True)


async def test_the_lane_has_the_same_bounds_on_receipt_as_the_framework(
    opened: str, environment: dict[str, str]
) -> None:
    with running("gateway", environment) as server:
        many = b"".join(b"x-%d: a\r\n" % number for number in range(10_000))
        for request in (document(opened), SALES):
            async with dialled(server) as (reader, writer):
                writer.write(request[:-2] + many + b"\r\n")
                assert (await read_answer(reader)).problem["code"] == "headers_too_large"
        slow = [
            document(opened)[:-2] + b"x-slow: " + b"a" * 200,
            f"POST /v1/sales/{opened}/admissions HTTP/1.1\r\nhost: shop\r\ncontent-length: 200\r\n\r\n".encode(),
        ]
        await asyncio.gather(*(_is_cut_off(server, start) for start in slow))


async def _is_cut_off(server: Running, start: bytes) -> None:
    async with dialled(server) as (reader, writer):
        writer.write(start)
        sending = asyncio.create_task(trickle(writer, b"a" * 200))
        assert (await read_answer(reader)).problem["code"] == "request_timeout"
        assert await rest_of(reader) == b""
        sending.cancel()
