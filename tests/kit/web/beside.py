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
ASKED: Final = 50  # by each in a turn: a load that a busy test machine can send as planned
GOOD_SECONDS: Final = 1.0
TURN_SECONDS: Final = 1.0
TURNS: Final = 3
TURNS_MAX: Final = 10
CALM_SHARE: Final = 0.98


async def honest(server: Running, request: bytes = GET) -> int:
    """Goodput of one turn: answers that came within a second of the time for which their request was planned."""
    begins = time.monotonic() + 0.05

    async def ask() -> int:
        good = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for number in range(ASKED):
            planned = begins + TURN_SECONDS * number / ASKED
            await asyncio.sleep(max(0.0, planned - time.monotonic()))
            writer.write(request)
            assert (await read_answer(reader)).status == 200
            good += time.monotonic() - planned <= GOOD_SECONDS
        writer.close()
        await writer.wait_closed()
        return good

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
    """Goodput alone and beside the trickling. A turn counts when the machine was calm before and after it: a stolen
    processor would speak of others."""
    alone = beside = counted = 0
    before = await honest_and_alive(server, request)
    for _ in range(TURNS_MAX):
        async with trickling(server):
            during = await honest_and_alive(server, request)
        after = await honest_and_alive(server, request)
        if min(before, after) >= CALM_SHARE * HONEST * ASKED:
            alone, beside, counted = alone + after, beside + during, counted + 1
            if counted == TURNS:
                break
        before = after
    assert counted, "the machine was never calm enough to measure anything"
    return alone, beside
