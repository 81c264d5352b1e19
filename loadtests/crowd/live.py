"""Live notices (Server-Sent Events) for a sample of shoppers: what is told there must match what the rows say."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from loadtests.crowd.wire import Wire

TOLD_SECONDS_MAX: Final = 30.0  # a lost doorbell, a lost stream and a busy store, one after the other
SILENCE_SECONDS_MAX: Final = 45.0
RECONNECTS_MAX: Final = 30
RECONNECT_SECONDS: Final = 1.0
EVENTS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    name: str
    event_id: str | None
    content: Any


class EventParser:
    """Lines of a stream in, whole events out (WHATWG, server-sent events)."""

    def __init__(self) -> None:
        self._name = "message"
        self._id: str | None = None
        self._lines: list[str] = []

    def feed(self, line: str) -> Iterator[Event]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if self._lines:
                yield Event(self._name, self._id, _content("\n".join(self._lines)))
            self._name, self._lines = "message", []
        elif field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        elif field == "data":
            self._lines.append(value)


def _content(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


class LiveWatch:
    """Listens in the background, reconnecting with Last-Event-ID as a phone does."""

    def __init__(self, wire: Wire, token: str) -> None:
        self._wire = wire
        self._token = token
        self._last_id: str | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.events: list[Event] = []

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def told_all(self, grant_ids: Iterable[str]) -> bool:
        """Whether, within bounded patience, the stream has named every grant."""
        missing = set(grant_ids)
        try:
            async with asyncio.timeout(TOLD_SECONDS_MAX):
                while missing - self._grants():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _grants(self) -> set[str]:
        """Grants named by notices, or by the snapshot that opens a stream."""
        return {grant for event in self.events for grant in _grants_in(event.content)}

    async def _run(self) -> None:
        for _ in range(RECONNECTS_MAX):
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._listen()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        parser = EventParser()
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self._token}"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        async with self._wire.stream("/v1/me/events", headers, SILENCE_SECONDS_MAX) as response:
            if response.status != 200:
                return
            async for raw in response.content:
                for event in parser.feed(raw.decode(errors="replace").rstrip("\r\n")):
                    self._last_id = event.event_id or self._last_id
                    if len(self.events) < EVENTS_MAX:
                        self.events.append(event)
                    self._changed.set()


def _grants_in(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(content.get("grant_id"), str):
            yield content["grant_id"]
        for inner in content.values():
            yield from _grants_in(inner)
    elif isinstance(content, list):
        for inner in content:
            yield from _grants_in(inner)
