"""A real server process for one test, and the bare sockets that misbehave towards it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

from kit.embedded.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[3]
START_SECONDS_MAX: Final = 30.0
GET: Final = b"GET /quick HTTP/1.1\r\nhost: tiny\r\n\r\n"


class Probed(NamedTuple):
    """A probe's answer."""

    status_code: int
    text: str


@dataclass
class Running:
    """One server process."""

    process: subprocess.Popen[bytes]
    port: int
    health_port: int

    def probe(self, path: str) -> Probed:
        """What the process says of itself. Raises `OSError` while it does not."""
        connection = HTTPConnection("127.0.0.1", self.health_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Probed(answer.status, answer.read().decode())
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """A sample by its full name, labels included."""
        for line in self.probe("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running(
    module: str = "tests.kit.web.tinydoor", environment: Mapping[str, str] | None = None, **wish: Any
) -> Iterator[Running]:
    """The process, ready; killed by its id at the end if it has not gone by itself. `environment` is for the gateway."""
    port, health_port = free_port(), free_port()
    wish = {"port": port, "health_port": health_port, **wish}
    ports = {"GATEWAY_PORT": str(port), "HEALTH_PORT": str(health_port)}
    process = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(wish)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **ports, **(environment or {})},
    )
    server = Running(process, port, health_port)
    try:
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


def _wait(server: Running) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        assert server.process.poll() is None, "the server ended at its start"
        try:
            if server.probe("/readyz").status_code == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


@dataclass
class Answer:
    """One HTTP/1.1 answer, read from a bare socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.headers
        document: dict[str, Any] = json.loads(self.body)
        return document


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer. Raises `asyncio.IncompleteReadError` when the peer closes first."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


@asynccontextmanager
async def dialled(server: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection, closed at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def trickle(writer: asyncio.StreamWriter, text: bytes, *, every_seconds: float = 0.2) -> None:
    """Sends byte by byte until the peer has had enough."""
    with suppress(ConnectionError):
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_seconds)


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the peer closes; a reset is a close, too."""
    with suppress(ConnectionError):
        return await reader.read()
    return b""
