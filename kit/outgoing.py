"""Calls of this process to somebody else's HTTP server.

aiohttp, because these calls lie on the way of every payment and payout: at 32 of them at once one takes 0.1 ms of this
process, with httpx 2 to 3 ms, and 128 at once ran into their time-outs (`docs/adr/0017`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

ANSWER_BYTES_MAX: Final = 1 << 20  # a thousand times what a provider has to say about one payment


class Unanswered(Exception):
    """No answer, half of one, or more than anybody reads: what the call did is not known. `reason` is for logs."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


class HttpClient:
    """One server's client. Connects at its first call, in the event loop of that call; `close` belongs to the same loop.

    Follows no redirect and no proxy variable, keeps no cookie, and sends nothing twice but a GET whose kept connection
    had just ended. Raises `ValueError` for a URL that cannot be called.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_seconds_max: float,
        call_seconds_max: float,
        connections_max: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:  # asked for its port, a bad one raises
            raise ValueError("no host and port")
        self._url, self._headers, self._connections_max = url.rstrip("/"), headers, connections_max
        # The whole call, its wait for a connection too: an answer that drips would hold its caller for ever.
        self._timeout = aiohttp.ClientTimeout(total=call_seconds_max, sock_connect=connect_seconds_max)
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The whole answer, whatever its status. `path` begins with a slash. Raises `Unanswered`."""
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.request(
                method, self._url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, await _read(response))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unanswered(type(error).__name__) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=self._timeout,
            trust_env=False,  # a proxy variable that was set for something else must not see payments and keys
        )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > ANSWER_BYTES_MAX:
            raise Unanswered("answer_too_long")
    return bytes(read)
