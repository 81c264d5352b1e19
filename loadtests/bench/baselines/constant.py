"""The cheapest possible server: it answers every request with the same bytes, unread. What the client can do at most."""

import asyncio
import sys
from typing import Final

import uvloop

ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789"


class Constant(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._write = transport.write

    def data_received(self, chunk: bytes) -> None:
        # Whole heads only: the client never sends half of one in a packet of its own.
        self._write(ANSWER * chunk.count(b"\r\n\r\n"))


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
