"""The crowd's HTTP: a bounded number of connections, every try timed, retries as a good app does them.

A request whose answer was lost is sent again with the same idempotency key; a refusal that names a time is obeyed;
tries are bounded in number and in seconds. What stays without an answer is said so, and the caller asks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Self

import aiohttp
import msgspec

from loadtests.crowd.figures import Figures

# More would not make two cores faster; fewer would queue in the crowd what should queue in the system.
CONNECTIONS_MAX: Final = 128
STREAMS_MAX: Final = 64
ANSWER_SECONDS_MAX: Final = (
    15.0  # no answer of the contract takes a tenth of this; beyond it a person taps again
)
CONNECT_SECONDS_MAX: Final = 5.0
TRIES_MAX: Final = 30  # at the longest back-off more than the seconds below, which end most
TRIES_SECONDS_MAX: Final = (
    45.0  # a process that was killed is back within a few seconds, on a busy machine within twenty
)
WAIT_SECONDS_MAX: Final = 10.0  # who is told to come back later than this comes back now and then anyway
BACKOFF_SECONDS_MAX: Final = 3.0
SHOWN_BYTES_MAX: Final = 200
NO_ANSWER: Final = 0


@dataclass(slots=True)
class Answer:
    """What came back. `status` 0: nothing did, and whether it had an effect is unknown."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    asked_at: float | None = None  # epoch seconds of the first try: nothing it tells happened before

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """The stable code of a problem answer."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, str) else None

    @property
    def retry_after_seconds(self) -> float | None:
        try:
            return max(0.0, float(self.headers["Retry-After"]))
        except (KeyError, ValueError):
            return None

    def get(self, name: str, default: Any = None) -> Any:
        """A field of an object that was answered; `default` where there is none."""
        return self.body.get(name, default) if isinstance(self.body, dict) else default


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a shopper. `body` is encoded as JSON unless it is bytes already."""

    stage: str
    method: str
    url: str
    bearer: str | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def packed(self) -> tuple[bytes | None, dict[str, str]]:
        headers = dict(self.headers)
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if self.body is None:
            return None, headers
        headers.setdefault("Content-Type", "application/json")
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body), headers


class Wire:
    """One client for the whole crowd."""

    def __init__(
        self, gateway: str, figures: Figures, *, seed: int, connections: int = CONNECTIONS_MAX
    ) -> None:
        self.gateway = gateway.rstrip("/")
        self.figures = figures
        self._dice = Random(f"backoff:{seed}")
        self._slots = asyncio.Semaphore(connections)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = _client(self._connections)
        self._streams = _client(STREAMS_MAX)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._streams):
            if session is not None:
                await session.close()

    def url(self, path: str) -> str:
        """A path of the gateway, or an address that is whole already."""
        return path if path.startswith(("http://", "https://")) else f"{self.gateway}{path}"

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A long answer on a connection beside the bounded ones. Raises what aiohttp raises."""
        assert self._streams is not None, "the wire is a context; enter it first"
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS_MAX, sock_read=silence_seconds
        )
        async with self._streams.get(self.url(path), headers=headers, timeout=timeout) as response:
            yield response

    async def once(self, request: Request) -> Answer:
        """One try. Never raises for what the network does: that is an answer of status 0."""
        assert self._session is not None, "the wire is a context; enter it first"
        body, headers = request.packed()
        async with self._slots:
            started = time.monotonic()
            try:
                async with self._session.request(
                    request.method, self.url(request.url), data=body, headers=headers, allow_redirects=False
                ) as response:
                    raw = await response.read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                return Answer(NO_ANSWER, {"error": type(error).__name__})
            self.figures.stages[request.stage].note(started, time.monotonic())
        return Answer(response.status, _parsed(raw), response.headers)

    async def send(self, request: Request) -> Answer:
        """The answer after bounded tries; the last one, whatever it is, when they are used up."""
        asked_at = time.time()
        ends = time.monotonic() + TRIES_SECONDS_MAX
        for number in range(TRIES_MAX):
            answer = await self.once(request)
            answer.asked_at = asked_at
            reason = why_again(answer)
            if reason is None:
                return answer
            if answer.status == 500:  # a fault, even when a later try hides it
                self.figures.errors[f"500 {request.stage}"] += 1
            wait = wait_seconds(answer, number, self._dice)
            if number + 1 == TRIES_MAX or time.monotonic() + wait > ends:
                break
            self.figures.retries[reason] += 1
            await asyncio.sleep(wait)
        return answer


def _client(connections_max: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections_max, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX),
        headers={"Accept-Language": "en", "User-Agent": "floodgate-crowd"},
    )


def why_again(answer: Answer) -> str | None:
    """Why this answer makes a good app try again with the same key; None when it is final."""
    if answer.status == NO_ANSWER:
        return "no_answer"
    if answer.status == 429 or answer.status >= 500:
        return str(answer.status)
    return "in_progress" if answer.code == "in_progress" else None


def wait_seconds(answer: Answer, tries_before: int, dice: Random) -> float:
    """How long to wait: what the server asked for (and a little, so that not all come back at once), else backoff."""
    asked = answer.retry_after_seconds
    if asked is not None:
        return min(asked, WAIT_SECONDS_MAX) + dice.uniform(0.0, 0.5)
    longest: float = min(0.2 * 2**tries_before, BACKOFF_SECONDS_MAX)
    return dice.uniform(longest / 2, longest)


def _parsed(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return {"not_json": raw[:SHOWN_BYTES_MAX].decode(errors="replace")}
