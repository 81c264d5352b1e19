"""Bounds on what a request may bring: its headers, its body and the time until the body is here.

The whole body is read before the app is called: it is small by decree, and so a slow or endless sender never holds a
route, a transaction or a batch.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from kit.web.problems import Problems

BODY_BYTES_MAX: Final = 16 * 1024  # the largest honest body is a webhook of about 1 KiB
HEADER_BYTES_MAX: Final = 16 * 1024  # a token, a key and a browser's habits stay under 8 KiB
# Of a refused body so much is read and thrown away: a socket closed on unread bytes resets, and the caller would see
# no answer at all.
DISCARD_BYTES_MAX: Final = 1024 * 1024
DISCARD_SECONDS_MAX: Final = 2.0
BODY_SECONDS_MAX: Final = 10.0  # 16 KiB over the worst phone line; whoever is slower is not a shopper


class RequestLimits:
    """Pure ASGI middleware: 413, 431 and 408 in problem form, before anything below is asked."""

    def __init__(self, app: ASGIApp, problems: "Problems", body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._problems = problems
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES_MAX:
            await self._refuse("headers_too_large", HEADER_BYTES_MAX, scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > self._body_bytes_max):
            await self._refuse("body_too_large", self._body_bytes_max, scope, receive, send)
        elif length == "0" and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
        else:
            await self._with_body(scope, receive, send)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                body = await self._read(receive)
        except TimeoutError:
            await self._refuse("request_timeout", self._body_bytes_max, scope, receive, send)
            return
        except _TooLarge:
            await self._refuse("body_too_large", self._body_bytes_max, scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None when the caller left before it was here."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._body_bytes_max:
                raise _TooLarge
            if not message.get("more_body", False):
                return bytes(body)

    async def _refuse(self, code: str, bytes_max: int, scope: Scope, receive: Receive, send: Send) -> None:
        if code == "body_too_large":
            await _discard(receive)
        # What is still on its way is not read, so the connection cannot serve another request.
        answer = self._problems.answer(
            scope, code, facts={"bytes_max": bytes_max}, headers={"Connection": "close"}
        )
        await answer(scope, receive, send)


async def _discard(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(DISCARD_SECONDS_MAX):
            while size <= DISCARD_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class _TooLarge(Exception):
    pass


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then what the server says (a disconnect)."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
