"""HTTP/1.1 spoken by hand, so that a test says exactly which bytes go over and sees exactly which come back."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    """One answer as it came."""

    version: str
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of a problem."""
        return self.document["code"] if self.field("content-type") == "application/problem+json" else None


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: bytes) -> None:
        self.writer.write(text)

    def half_close(self) -> None:
        self.writer.write_eof()

    async def answer(self, *, to_head: bool = False, seconds_max: float = 10.0) -> Answer:
        """The next answer; `to_head` where none has a body. Raises `asyncio.IncompleteReadError` at the end."""
        async with asyncio.timeout(seconds_max):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            version, status, *_ = first.split(" ")
            fields = [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]
            answer = Answer(version, int(status), fields, b"")
            if not to_head and answer.status not in {100, 204, 304}:
                answer.body = await self._body(answer)
            return answer

    async def _body(self, answer: Answer) -> bytes:
        if answer.field("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(answer.field("content-length") or 0))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def ended(self, *, seconds_max: float = 10.0) -> bool:
        """Whether the other side closes, with nothing more to say."""
        async with asyncio.timeout(seconds_max):
            return await self.reader.read() == b""


def request(
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | dict[str, Any] | None = None,
    *,
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as bytes; a dictionary becomes JSON and says so."""
    fields = {"Host": "gateway.test", **(headers or {})}
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        fields.setdefault("Content-Type", "application/json")
    if body is not None and "Transfer-Encoding" not in fields:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")
