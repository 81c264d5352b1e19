"""The HTTP/1.1 connection with the bounds that uvicorn leaves open: how long a head may take and how large it may be.

uvicorn waits for ever for a head that trickles in and answers what it cannot parse with plain text.
"""

import asyncio
import json
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_SECONDS_MAX: Final = (
    10.0  # from the connection, or the last answer's successor's first byte, to the whole head
)
HEAD_BYTES_MAX: Final = 32 * 1024  # above the 16 KiB that get a proper 431: this only stops an endless head
_ANSWER: Final = json.dumps(
    {
        "type": "urn:floodgate:problem:bad_request",
        "title": "Bad request",
        "status": 400,
        "detail": "This request cannot be read.",
        "code": "bad_request",
    }
).encode()


class _HeadTooLarge(ValueError):
    pass


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._watch_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        head = [
            STATUS_LINE[400],
            *(b"%s: %s\r\n" % field for field in self.server_state.default_headers),
            b"content-type: application/problem+json\r\ncontent-language: en\r\n",
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(_ANSWER),
        ]
        self.transport.write(b"".join(head) + _ANSWER)
        self.transport.close()

    def _watch_head(self) -> None:
        self._head_is_here()
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._too_slow)

    def _head_is_here(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            raise _HeadTooLarge
