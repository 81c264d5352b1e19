"""The order of one connection: answers leave as the requests came, whether the lane gives them or the app.

uvicorn keeps one ASGI request under way and queues those behind it. Here both kinds queue in `owed`; an app's request is
started when its turn has come, so that nothing it writes can overtake an answer of the lane, and what the lane has ready
behind it waits. A peer that has closed its half still hears what it is owed; what is refused is refused in its turn.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.lane.flow import LaneFlow
from gateway.lane.turns import AppTurn, Blocked, Turn
from kit.web.protocol import RECEIVED_AT, BoundedHttpProtocol, refusal
from kit.web.receipt import Stage

if TYPE_CHECKING:
    from gateway.lane.lane import Lane
    from gateway.lane.routes import Route

# Answers owed to one connection before its reading is paused; what one read has brought (256 KiB) is taken all the same.
OWED_MAX: Final = 64
LINGER_SECONDS: Final = 1.0  # for what a refused peer is still sending
_BLOCKED: Final = cast("RequestResponseCycle", Blocked)


class OrderedProtocol(BoundedHttpProtocol):
    """A connection that owes answers."""

    lane: "Lane"

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.owed: deque[Turn] = deque()  # what has not been written, in order
        self.out: list[bytes] = []  # what is ready while a read is being parsed
        self.gone = False  # nobody is there any more
        self.deaf = False  # nothing more is read: the last request has been
        self.last = False  # the present request is the last
        self.spoken = False  # the present request must hear of keep-alive (HTTP/1.0)
        self.route: Route | None = None  # of the lane's request that is being received

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: LaneFlow = LaneFlow(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        for turn in self.owed:
            turn.leave()
        self.owed.clear()
        self.cycle = None  # type: ignore[assignment]
        super().connection_lost(exc)

    def write(self) -> None:
        """Everything that is ready, in one write."""
        out = self.out
        self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()

    def owe(self, turn: Turn) -> None:
        turn.connection, turn.closes, turn.spoken = self, self.last, self.spoken
        owed = self.owed
        owed.append(turn)
        if turn.answer is not None and owed[0] is turn:
            self.advance()
        elif len(owed) >= OWED_MAX or isinstance(owed[0], AppTurn):
            self.flow.hold()

    def pass_on(self) -> None:
        """Makes an ASGI request of the present one and gives it its turn."""
        url, headers = self.url, self.headers
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.headers, self.scope["headers"] = url, headers, headers
        self.expect_100_continue = any(n == b"expect" and v.lower() == b"100-continue" for n, v in headers)
        self.scope["state"][RECEIVED_AT] = self.loop.time()
        self.cycle = _BLOCKED
        HttpToolsProtocol.on_headers_complete(self)
        cycle, app = self.pipeline.pop()
        if self.lane.draining or self.parser.should_upgrade():
            cycle.keep_alive = False
        self.last = not cycle.keep_alive
        turn = AppTurn(cycle, app)
        turn.connection = self
        self.owed.append(turn)
        self.advance()

    def advance(self) -> None:
        """Writes what is ready and due; starts the app's request whose turn it is."""
        owed, out = self.owed, self.out
        if len(owed) == 1 and self._alone(owed[0]):
            owed.clear()
            return
        closes = False
        while owed and owed[0].answer is not None and not closes:
            turn = owed.popleft()
            out.append(turn.written())
            closes = turn.closes
        if out:
            self.write()
        if self.stage == Stage.RESTING:
            self.since = self.receipts.now
        if closes:
            self._close()
            return
        head = owed[0] if owed else None
        if not isinstance(head, AppTurn):
            if self.flow.read_paused and len(owed) < OWED_MAX:
                self.flow.release()
            return
        if not head.started:
            head.started = True
            self._start_asgi_task(head.cycle, head.app)
        if len(owed) == 1:
            self.flow.release()  # its body may be on its way; what follows it, if anything, has been read

    def _alone(self, turn: Turn) -> bool:
        """Writes the answer of the one turn that is owed, where it is ready and nothing more is to be said: nearly all."""
        answer = turn.answer
        if answer is None or turn.closes or turn.spoken or self.out:
            return False
        self.transport.write(answer)
        if self.stage == Stage.RESTING:
            self.since = self.receipts.now
        if self.flow.read_paused:
            self.flow.release()
        return True

    def _close(self) -> None:
        """Ends the connection; after a refusal not before the peer could read it: a socket that is closed on unread
        bytes resets, and the answer is lost."""
        if self._refusal is None or self.gone or not self.said_something:
            self.transport.close()
            return
        self.flow.release()
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.owed and not self.transport.is_closing():
            self.owed.popleft()
            self.advance()

    def end_with(self, code: str) -> None:
        """Answers what came before, then says this, and reads nothing any more."""
        if self.deaf:
            return
        self._refusal = code
        self.deaf = self.last = True
        if not self._drop_unfinished():
            self.transport.close()  # half an answer is out already
        elif not self.transport.is_closing():
            self.owe(Turn(refusal(code, self.headers, close=False)))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether to stay: a peer that has said all it had to say still hears its answers."""
        whole = self.deaf or self._drop_unfinished()
        self.deaf = True
        if not whole or not self.owed:
            return False
        self.owed[-1].end()
        # An endless answer must not be sent to somebody who has most likely gone.
        return not any(isinstance(turn, AppTurn) and turn.cycle.chunked_encoding for turn in self.owed)

    def _unfinished(self) -> AppTurn | None:
        """The app's request whose body is still expected."""
        turn = self.owed[-1] if self.owed and self.stage == Stage.BODY else None
        return turn if isinstance(turn, AppTurn) and turn.cycle is self.cycle else None

    def _drop_unfinished(self) -> bool:
        """Forgets the request that is being received; False when the app's answer to it has begun."""
        turn = self._unfinished()
        self.stage, self.route, self.spoken = Stage.RESTING, None, False
        if turn is None:
            return True
        turn.leave()
        if turn.cycle.response_started:
            return False
        self.owed.pop()
        return True

    def occupied(self) -> bool:
        return self.flow.read_paused or len(self.owed) > (self._unfinished() is not None)

    def shutdown(self) -> None:
        """What has begun is answered with `Connection: close`; who is silent is closed by the sweep."""
        self.lane.draining = True
        if self.route is not None:
            self.last = True
        elif self.owed:
            self.owed[-1].end()
