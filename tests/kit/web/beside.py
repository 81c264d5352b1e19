"""What honest callers get alone, and beside a thousand sockets that trickle."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.kit.web.running import GET, ROOT, Running, read_answer

TRICKLING: Final = 1000
HONEST: Final = 8
PAUSE_SECONDS: Final = (
    0.005  # some 1,500 requests a second in all: a load that a busy test machine can send evenly
)
TURN_SECONDS: Final = 1.0
TURNS: Final = 4


async def honest(server: Running, request: bytes = GET) -> int:
    """Answers that honest callers get in one turn."""
    ends = time.monotonic() + TURN_SECONDS

    async def ask() -> int:
        answers = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while time.monotonic() < ends:
            writer.write(request)
            assert (await read_answer(reader)).status == 200
            answers += 1
            await asyncio.sleep(PAUSE_SECONDS)
        writer.close()
        await writer.wait_closed()
        return answers

    return sum(await asyncio.gather(*(ask() for _ in range(HONEST))))


@asynccontextmanager
async def trickling(server: Running) -> AsyncIterator[None]:
    """A thousand sockets, in a process of their own, all in the middle of their heads."""
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.web.trickling", str(server.port), str(TRICKLING), cwd=ROOT
    )
    try:
        await _reach(server, at_least=TRICKLING * 0.95)
        yield
    finally:
        crowd.kill()
        await crowd.wait()


async def _reach(server: Running, *, at_least: float) -> None:
    for _ in range(200):
        if server.metric("floodgate_http_receiving_connections") >= at_least:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the crowd did not come")


async def honest_and_alive(server: Running, request: bytes = GET) -> int:
    """One turn, in the middle of which the process is asked whether it lives."""
    asking = asyncio.create_task(honest(server, request))
    await asyncio.sleep(TURN_SECONDS / 2)
    assert (await asyncio.to_thread(server.probe, "/livez")).status_code == 200
    return await asking


async def compare(server: Running, request: bytes = GET) -> tuple[int, int]:
    """Answers to honest callers alone and beside the trickling, in turns, so that a busy machine meets both."""
    alone = beside = 0
    await honest(server, request)  # warm
    for _ in range(TURNS):
        alone += await honest_and_alive(server, request)
        async with trickling(server):
            beside += await honest_and_alive(server, request)
    return alone, beside
