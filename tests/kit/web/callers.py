"""Callers of a process that leaves: those of a balancer, which stop when the probe says so, and those who know nothing."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import httpx

from tests.kit.web.running import Running, read_answer


@dataclass
class Told:
    """What callers saw."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    not_taken: int = 0  # refused by the port before anything was sent: the balancer's cue, not a failure


async def ask_until_refused(server: Running, told: Told, request: bytes) -> None:
    """New connections, one request each, until the port is closed."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except ConnectionRefusedError:
            told.not_taken += 1
            return
        try:
            writer.write(request)
            count(told, (await read_answer(reader)).status)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            told.failed.append(repr(error))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def ask_on_one_connection(server: Running, told: Told, request: bytes) -> None:
    """One connection for as long as it is kept, then a new one, until the port is closed."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except ConnectionRefusedError:
            told.not_taken += 1
            return
        try:
            kept = True
            while kept:
                writer.write(request)
                answer = await read_answer(reader)
                count(told, answer.status)
                kept = answer.headers.get("connection") != "close"
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            told.failed.append(repr(error))
            return
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def ask_while_ready(server: Running, told: Told, path: str = "/quick") -> None:
    """A pool of kept connections with pauses between, until the probe says that the process leaves."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as pool:
        while server.process.poll() is None:
            try:
                ready = await asyncio.to_thread(server.probe, "/readyz")
            except OSError:  # gone, and never said so
                return
            if ready.status_code != 200:
                assert ready.text == "draining\n"
                return
            for _ in range(10):
                try:
                    count(told, (await pool.get(path)).status_code)
                except httpx.ConnectError:  # this balancer looked too seldom; nothing was sent
                    told.not_taken += 1
                    return
                except httpx.TransportError as error:
                    told.failed.append(repr(error))
                await asyncio.sleep(0.02)


def count(told: Told, status: int) -> None:
    if status in {200, 201, 429}:  # a limit that was reached is an answer, too
        told.answered += 1
    else:
        told.failed.append(str(status))
