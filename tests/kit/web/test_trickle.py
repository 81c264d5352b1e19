"""A thousand sockets that trickle cost those who mean it less than a tenth of their answers, and the probes nothing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.kit.web.running import GET, ROOT, Running, read_answer, running

TRICKLING = 1000
HONEST = 8
PAUSE_SECONDS = 0.005  # some 1,500 requests a second in all: a load that a busy test machine can send evenly
TURN_SECONDS = 1.0
TURNS = 4


@pytest.fixture
def server() -> Iterator[Running]:
    with running() as server:
        yield server


async def honest(server: Running) -> int:
    """Answers that honest callers get in one turn."""
    ends = time.monotonic() + TURN_SECONDS

    async def ask() -> int:
        answers = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while time.monotonic() < ends:
            writer.write(GET)
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


async def honest_and_alive(server: Running) -> int:
    """One turn, in the middle of which the process is asked whether it lives."""
    asking = asyncio.create_task(honest(server))
    await asyncio.sleep(TURN_SECONDS / 2)
    assert (await asyncio.to_thread(server.probe, "/livez")).status_code == 200
    return await asking


async def test_a_thousand_trickling_sockets_leave_nine_tenths_of_the_goodput(server: Running) -> None:
    """Goal: goodput beside them is at least 90 % of goodput alone, and `/livez` answers throughout.
    Method: the same honest callers in turns with and without the crowd, so that a busy machine meets both."""
    alone = beside = 0
    await honest(server)  # warm
    for _ in range(TURNS):
        alone += await honest_and_alive(server)
        async with trickling(server):
            beside += await honest_and_alive(server)
    assert beside >= 0.9 * alone, (beside, alone)


async def test_trickling_sockets_do_not_keep_others_out_when_every_place_is_taken() -> None:
    """Fewer places than trickling sockets: a newcomer takes the place of who has been silent longest."""
    with running(connections_max=200, head_seconds=5.0) as server:
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /quick HTTP/1.1\r\nx-")
        await asyncio.sleep(1.5)
        assert await honest(server) > HONEST
        assert server.metric('floodgate_http_cut_off_total{reason="evicted"}') >= HONEST
        for _, writer in slow:
            writer.close()


async def test_a_newcomer_is_told_when_nobody_can_make_room() -> None:
    with running(connections_max=4) as server:
        busy = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(4)]
        for _, writer in busy:
            writer.write(b"GET /slow?seconds=3 HTTP/1.1\r\nhost: tiny\r\n\r\n")
        await asyncio.sleep(0.5)
        reader, newcomer = await asyncio.open_connection("127.0.0.1", server.port)
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (503, "temporary_reduced_capacity")
        assert 1 <= int(answer.headers["retry-after"]) <= 5
        newcomer.close()
        for reader, writer in busy:
            assert (await read_answer(reader)).status == 200
            writer.close()
