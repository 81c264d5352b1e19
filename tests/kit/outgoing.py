"""A client whose server is a function: what was asked, and the answer. What the wire does is `test_outgoing`'s to show."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kit.outgoing import Answer, HttpClient


class Asked(NamedTuple):
    """One request as its client was asked to send it."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


class ToldClient(HttpClient):
    """Sends nothing. The function may raise `Unanswered`."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__("http://told.test", connect_seconds_max=1.0, call_seconds_max=1.0, connections_max=1)
        self._answer = answer

    async def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return self._answer(Asked(method, path, body or b"", headers or {}))
