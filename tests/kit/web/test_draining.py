"""A process that is told to stop: first its probe says so, it goes on listening for a while, then ends what it began.

Goal: no request fails. Method: callers under way while SIGTERM comes, as a balancer's are (they stop once the probe
says `draining`), and as those are who know nothing (they go until the port is closed); every request that was sent
must be answered.
"""

import asyncio
import time

import pytest

from tests.kit.web.callers import Told, ask_on_one_connection, ask_until_refused, ask_while_ready
from tests.kit.web.running import GET, dialled, read_answer, rest_of, running

DRAIN_SECONDS = 1.0


async def end_under_load() -> tuple[Told, int]:
    """What every kind of caller saw when a process left in the middle of it, and its exit code."""
    told = Told()
    slow = b"GET /slow?seconds=0.3 HTTP/1.1\r\nhost: tiny\r\n\r\n"
    with running(drain_seconds=DRAIN_SECONDS) as server:
        asking = [
            *(asyncio.create_task(ask_until_refused(server, told, GET)) for _ in range(8)),
            *(asyncio.create_task(ask_on_one_connection(server, told, GET)) for _ in range(8)),
            *(asyncio.create_task(ask_on_one_connection(server, told, slow)) for _ in range(8)),
            *(asyncio.create_task(ask_while_ready(server, told)) for _ in range(2)),
        ]
        await asyncio.sleep(0.7)
        server.terminate()
        await asyncio.wait_for(asyncio.gather(*asking), timeout=20)
        return told, await asyncio.to_thread(server.process.wait, 15)


async def test_nobody_fails_when_the_process_leaves_under_load() -> None:
    told, code = await end_under_load()
    assert told.failed == []
    assert code == 0
    assert told.answered > 100


async def test_control_uvicorn_as_it_comes_closes_its_port_while_its_probe_still_says_ready() -> None:
    with running(as_uvicorn_comes=True) as server:
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /slow?seconds=4 HTTP/1.1\r\nhost: tiny\r\n\r\n")
            await asyncio.sleep(0.2)
            server.terminate()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                while True:
                    async with dialled(server) as (next_reader, next_writer):
                        next_writer.write(GET)
                        await read_answer(next_reader)
            assert server.probe("/readyz").status_code == 200
            await rest_of(reader)


async def test_the_probe_says_draining_while_the_port_still_listens() -> None:
    with running(drain_seconds=DRAIN_SECONDS) as server:
        server.terminate()
        deadline = time.monotonic() + 10
        while server.probe("/readyz").text != "draining\n":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert server.probe("/livez").status_code == 200
        async with dialled(server) as (reader, writer):
            writer.write(GET)
            answer = await read_answer(reader)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        await asyncio.to_thread(server.process.wait, 15)


async def test_what_is_in_flight_is_finished_and_who_rests_is_closed() -> None:
    with running(drain_seconds=0.2) as server:
        async with dialled(server) as (resting, rest_writer), dialled(server) as (busy, busy_writer):
            rest_writer.write(GET)
            await read_answer(resting)
            busy_writer.write(b"GET /slow?seconds=2.5 HTTP/1.1\r\nhost: tiny\r\n\r\n")
            await asyncio.sleep(0.2)
            server.terminate()
            assert await rest_of(resting) == b""
            answer = await read_answer(busy)
            assert (answer.status, answer.body) == (200, b'{"answer":"slow"}')
        assert await asyncio.to_thread(server.process.wait, 15) == 0


async def test_a_request_that_arrives_on_a_resting_connection_while_leaving_is_answered() -> None:
    with running(drain_seconds=0.1) as server:
        async with dialled(server) as (reader, writer), dialled(server) as (held, held_writer):
            held_writer.write(b"GET /slow?seconds=4 HTTP/1.1\r\nhost: tiny\r\n\r\n")
            await asyncio.sleep(0.2)
            writer.write(GET)
            await read_answer(reader)
            server.terminate()
            await asyncio.sleep(1.0)  # the port has been closed for half of it
            writer.write(GET)
            assert (await read_answer(reader)).status == 200
            assert (await read_answer(held)).status == 200


async def test_what_takes_longer_than_it_may_does_not_hold_up_the_end() -> None:
    with running(drain_seconds=0.1, finish_seconds=1) as server:
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /slow?seconds=60 HTTP/1.1\r\nhost: tiny\r\n\r\n")
            await asyncio.sleep(0.2)
            began = time.monotonic()
            server.terminate()
            await asyncio.to_thread(server.process.wait, 15)
            assert time.monotonic() - began < 10
            await rest_of(reader)
