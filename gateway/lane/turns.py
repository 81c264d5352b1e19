"""Turns: the answers that a connection owes, in the order of its requests (RFC 9112, section 9.3.2).

Only what cannot be answered at once gets one: an object a request that waits for a batch or for the app.
"""

from typing import TYPE_CHECKING, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from gateway.lane.order import OrderedProtocol

_HEAD_END: Final = b"\r\n\r\n"
_CLOSE: Final = b"\r\nconnection: close\r\n\r\n"
_KEEP: Final = b"\r\nconnection: keep-alive\r\n\r\n"


class Turn:
    """One answer that is owed. A sink of whatever decides it derives from this and calls `give` once."""

    __slots__ = ("answer", "closes", "connection", "spoken")

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
        self.connection: OrderedProtocol | None = None
        self.closes = False  # the connection ends with this answer
        self.spoken = False  # keep-alive must be said (HTTP/1.0)

    def give(self, answer: bytes) -> None:
        """The answer is here; it goes out as soon as it is its turn. A second one is ignored."""
        if self.answer is not None:
            return
        self.answer = answer
        connection = self.connection
        if connection is not None and not connection.gone and connection.owed[0] is self:
            connection.lane.soon(connection)

    def done(self) -> bool:
        """Whether nobody waits any more: it was answered, or its connection is gone."""
        return self.answer is not None or (self.connection is not None and self.connection.gone)

    def written(self) -> bytes:
        """The answer as it goes out, with what this connection must hear about its end."""
        answer = self.answer or b""
        if self.closes:
            return answer.replace(_HEAD_END, _CLOSE, 1)
        return answer.replace(_HEAD_END, _KEEP, 1) if self.spoken else answer

    def end(self) -> None:
        """Makes this the last answer of its connection."""
        self.closes = True

    def leave(self) -> None:
        """The connection is gone."""


class AppTurn(Turn):
    """A request of the FastAPI app, which writes its answer itself, once it is its turn."""

    __slots__ = ("app", "cycle", "started")

    def __init__(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super().__init__()
        self.cycle, self.app, self.started = cycle, app, False

    def end(self) -> None:
        self.cycle.keep_alive = False

    def leave(self) -> None:
        self.cycle.disconnected = True
        self.cycle.message_event.set()


class Blocked:
    """Stands where uvicorn looks for the cycle in progress, so that it queues the next one in place of starting it."""

    response_complete: Final = False
