"""A call to somebody else's server has a whole answer within its bounds, or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kit import outgoing
from kit.embedded.ports import free_port
from kit.outgoing import HttpClient, Unanswered


def client_of(url: str, *, seconds: float = 10.0, connections: int = 4) -> HttpClient:
    return HttpClient(url, connect_seconds_max=seconds, call_seconds_max=seconds, connections_max=connections)


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *, seconds: float = 10.0
) -> AsyncIterator[HttpClient]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with TestServer(app) as server:
        client = client_of(str(server.make_url("")), seconds=seconds)
        yield client
        await client.close()


async def test_more_calls_than_connections_wait_for_one_and_are_all_answered() -> None:
    async def answer(_: web.Request) -> web.Response:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1
        return web.Response(body=b"x")

    at_once = most = 0
    async with serving(answer) as client:
        answers = await asyncio.gather(*(client.request("POST", "/", body=b"{}") for _ in range(64)))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"x")}
    assert most == 4


async def test_nobody_there_a_silence_and_an_answer_that_breaks_off_are_unanswered() -> None:
    async def stay_silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    gone = client_of(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unanswered):
        await gone.request("GET", "/")
    await gone.close()
    async with serving(stay_silent, seconds=0.2) as client:
        with pytest.raises(Unanswered):
            await client.request("GET", "/")
    async with serving(break_off) as client:
        with pytest.raises(Unanswered):
            await client.request("GET", "/")


async def test_an_answer_longer_than_anybody_reads_is_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 65)

    monkeypatch.setattr(outgoing, "ANSWER_BYTES_MAX", 64)
    async with serving(answer) as client:
        with pytest.raises(Unanswered, match="answer_too_long"):
            await client.request("GET", "/")


async def test_a_redirection_is_an_answer_and_is_not_followed() -> None:
    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    asked: list[str] = []
    async with serving(answer) as client:
        assert (await client.request("GET", "/here")).status == 302
    assert asked == ["/here"]


@pytest.mark.parametrize("url", ["http://", "http://x:port", "nothing"])
def test_an_address_that_cannot_be_called_is_refused_when_the_client_is_made(url: str) -> None:
    with pytest.raises(ValueError):
        client_of(url)
