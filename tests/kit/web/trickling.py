"""`python -m tests.kit.web.trickling PORT COUNT`: sockets that send a byte of a head now and then, as a process.

Not a test: the crowd of tests that count what others still get. Each socket is made again once it is cut off.
"""

import asyncio
import contextlib
import sys
from typing import Final

SECONDS_A_BYTE: Final = 7.0
SECONDS_TO_ARRIVE: Final = 1.0


async def trickle(port: int, delay_seconds: float) -> None:
    await asyncio.sleep(delay_seconds)
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET /quick HTTP/1.1\r\nx-")
            while not reader.at_eof():
                writer.write(b"a")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(4096), timeout=SECONDS_A_BYTE)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def main(port: int, count: int) -> None:
    await asyncio.gather(*(trickle(port, SECONDS_TO_ARRIVE * n / count) for n in range(count)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
