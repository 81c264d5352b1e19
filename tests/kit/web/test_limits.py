"""What a request may bring is bounded before anything below is asked; raw ASGI, no server."""

import asyncio
from typing import Any

import pytest

from kit.web import limits
from kit.web.limits import RequestLimits
from kit.web.problems import Problems

PROBLEMS = Problems({})


class Below:
    """The app below: says what reached it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.later: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.bodies.append(message.get("body", b""))
        if scope.get("listens"):
            self.later.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    *messages: dict[str, Any], below: Below, headers: dict[str, str] | None = None, **scope: Any
) -> Any:
    """The status and headers of the answer to a request that arrives in `messages`; then the line is silent."""
    waiting = list(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    request = {"type": "http", "method": "POST", "path": "/", "headers": raw, **scope}
    await RequestLimits(below, PROBLEMS)(request, receive, send)
    return (sent[0]["status"], dict(sent[0]["headers"])) if sent else None


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


CHUNKED = {"transfer-encoding": "chunked"}


async def test_a_body_in_pieces_reaches_the_app_whole_and_once() -> None:
    below = Below()
    status, _ = await ask(piece(b"ab", more=True), piece(b"cd"), below=below, headers=CHUNKED)
    assert (status, below.bodies) == (200, [b"abcd"])


async def test_after_the_body_the_app_hears_what_the_server_says() -> None:
    below = Below()
    await ask(
        piece(b"a"), {"type": "http.disconnect"}, below=below, headers={"content-length": "1"}, listens=True
    )
    assert below.later == ["http.disconnect"]


async def test_a_caller_who_leaves_in_mid_body_never_reaches_the_app() -> None:
    below = Below()
    answer = await ask(piece(b"a", more=True), {"type": "http.disconnect"}, below=below, headers=CHUNKED)
    assert (answer, below.bodies) == (None, [])


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS_MAX", 0.01)
    below = Below()
    status, headers = await ask(piece(b"a", more=True), below=below, headers=CHUNKED)
    assert (status, headers[b"connection"], below.bodies) == (408, b"close", [])


async def test_a_declared_length_beyond_the_bound_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DISCARD_SECONDS_MAX", 0.01)
    below = Below()
    for length in ("16385", "9" * 400):
        status, _ = await ask(below=below, headers={"content-length": length})
        assert (status, below.bodies) == (413, [])


async def test_an_endless_body_is_refused_after_the_bound() -> None:
    below = Below()
    flood = [piece(b"a" * 1024, more=True)] * 5000
    status, headers = await ask(*flood, below=below, headers=CHUNKED)
    assert (status, headers[b"connection"], below.bodies) == (413, b"close", [])


async def test_headers_beyond_the_bound_are_refused() -> None:
    below = Below()
    status, _ = await ask(piece(b""), below=below, headers={"x": "a" * 16384})
    assert (status, below.bodies) == (431, [])


async def test_what_is_no_http_passes() -> None:
    seen: list[str] = []

    async def below(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await RequestLimits(below, PROBLEMS)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
