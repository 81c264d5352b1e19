"""The way to the gateways over HTTP, and what comes back."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Self

import aiohttp
import msgspec

from kit.clock import Clock
from ops.faults.house.house import GATEWAYS, House

ANSWER_SECONDS_MAX: Final = 10.0  # the gateway's own deadline is nine
PATIENCE_SECONDS_MAX: Final = 25.0  # a shopper asks again under the same key for so long
AGAIN_SECONDS: Final = 0.1  # between tries where the answer does not say when; a person would wait longer
CONNECTIONS_MAX: Final = 256
NO_ANSWER: Final = 0


@dataclass(slots=True)
class Answer:
    """What came back; status 0 when nothing did. `asked_at`: epoch seconds of the first try."""

    status: int
    body: Any = None
    retry_after_seconds: float | None = None
    asked_at: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        code = self.get("code")
        return code if isinstance(code, str) else None

    @property
    def put_off(self) -> bool:
        """Whether a good app asks again with the same key."""
        return self.status in {NO_ANSWER, 429} or self.status >= 500 or self.code == "in_progress"

    def get(self, name: str) -> Any:
        return self.body.get(name) if isinstance(self.body, dict) else None


class Door:
    """The way to the gateways, as a balancer would have it: who is ready gets the next request."""

    def __init__(self, house: House, clock: Clock) -> None:
        self._house, self._clock = house, clock
        self._session: aiohttp.ClientSession | None = None
        self._turn = count()
        self.open = ["gateway"]  # the names of those that get requests
        self.answers: Counter[str] = Counter()  # by status, of every try

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def once(
        self, method: str, path: str, *, bearer: str = "", body: Any = None, at: str = "", **headers: str
    ) -> Answer:
        """One try, at the gateway `at` or the next in turn. Header names have _ for -."""
        assert self._session is not None
        name = at or (self.open[next(self._turn) % len(self.open)] if self.open else GATEWAYS[0])
        url = path if path.startswith("http") else f"{self._house.gateway_url(name)}{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        asked_at = self._clock.seconds()
        try:
            async with self._session.request(method, url, data=_packed(body, sent), headers=sent) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.answers[type(error).__name__] += 1
            return Answer(NO_ANSWER, asked_at=asked_at)
        self.answers[str(response.status)] += 1
        after = response.headers.get("Retry-After")
        return Answer(response.status, _parsed(raw), float(after) if after else None, asked_at)

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        """Tries until the answer is final or patience is over; the last answer."""
        asked_at, ends = self._clock.seconds(), time.monotonic() + PATIENCE_SECONDS_MAX
        while True:
            answer = await self.once(method, path, **request)
            answer.asked_at = asked_at
            if not answer.put_off or time.monotonic() > ends:
                return answer
            await asyncio.sleep(min(answer.retry_after_seconds or AGAIN_SECONDS, 1.0))

    async def watch(self, *names: str) -> None:
        """Keeps `open` what the probes of `names` say, until cancelled."""
        while True:
            ready = [name for name in names if await asyncio.to_thread(self._house.ready, name)]
            self.open = ready or self.open
            await asyncio.sleep(AGAIN_SECONDS)


def _packed(body: Any, headers: dict[str, str]) -> bytes | None:
    """Bytes go as they are, for they may be signed; whatever else as JSON."""
    if body is None:
        return None
    headers.setdefault("Content-Type", "application/json")
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _parsed(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None
