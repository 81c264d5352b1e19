"""On the wire: what cannot be parsed is a problem, and what is endless is stopped."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.serving import served


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    async with served(hello, running=True) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


async def said(address: tuple[str, int], *pieces: bytes) -> bytes:
    """Everything the server says to these bytes until it closes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ],
)
async def test_what_cannot_be_read_is_a_problem_and_the_end_of_the_connection(
    address: tuple[str, int], request_head: bytes
) -> None:
    answer = await said(address, request_head)
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 400"):
        assert b"content-type: application/problem+json" in head
        assert b'"code": "bad_request"' in body
    else:
        assert b"200 OK" in head  # the head was good; its body is the app's to judge


async def test_an_endless_head_is_stopped(address: tuple[str, int]) -> None:
    answer = await said(
        address, b"GET / HTTP/1.1\r\nhost: x\r\n", b"x-endless: " + b"a" * 40_000 + b"\r\n\r\n"
    )
    assert b"200 OK" not in answer
