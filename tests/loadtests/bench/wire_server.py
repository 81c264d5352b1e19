"""A server whose answers a test decides: it may stall, refuse, hang up, or cut its bytes wherever it likes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

# What to write for the nth request of the server's life; None: nothing, b"": hang up.
Answer = Callable[[int], "tuple[float, bytes | None]"]
GRANTED = b'HTTP/1.1 201 Created\r\nContent-Length: 57\r\n\r\n{"reservation_id":"00000000-0000-4000-8000-000000000001"}'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
WAIT = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class _Served(asyncio.Protocol):
    def __init__(self, answer: Answer, seen: list[bytes]) -> None:
        self._answer, self._seen = answer, seen

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, chunk: bytes) -> None:
        for request in chunk.split(b"\r\n\r\n")[:-1]:
            delay, answer = self._answer(len(self._seen))
            self._seen.append(request)
            asyncio.get_running_loop().call_later(delay, self._give, answer)

    def _give(self, answer: bytes | None) -> None:
        if answer == b"":
            self._transport.abort()
        elif answer is not None:
            self._transport.write(answer)


@asynccontextmanager
async def serving(answer: Answer, seen: list[bytes] | None = None) -> AsyncIterator[int]:
    """Its port."""
    heard: list[bytes] = [] if seen is None else seen
    server = await asyncio.get_running_loop().create_server(lambda: _Served(answer, heard), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def ask(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\n\r\n" % number
