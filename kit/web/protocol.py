"""The HTTP/1.1 connection with the bounds that uvicorn leaves open: how long a request may take to arrive and how large
its head may be; how long a connection may rest; and how it ends when the process leaves.

What is refused here is answered in problem form, in its turn: never before the answers to earlier requests.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from kit.web import metrics
from kit.web.kernel import accept_wait_seconds, receipt_wait_seconds
from kit.web.rawproblems import Header, language_of, raw_problem
from kit.web.receipt import WAIT_SAMPLES, Cut, Receipt, Receipts, Stage

_ANSWERED_CUTS: Final = frozenset({Cut.SLOW_HEAD, Cut.SLOW_BODY})  # who has said nothing is told nothing
_BUSY: Final = frozenset({"temporary_reduced_capacity"})
RETRY_SECONDS_MAX: Final = 5  # who found no room: a connection is given up within seconds
RECEIVED_AT: Final = "received_at"  # in the scope's state: `loop.time()` when the request was whole


class HeadTooLarge(ValueError):
    """The head exceeds its bounds; raised into the parser, which stops."""


def refusal(code: str, headers: Iterable[Header] | None, *, close: bool = True) -> bytes:
    """The answer that ends a connection, in the language of the headers that have come."""
    wait = random.randint(1, RETRY_SECONDS_MAX) if code in _BUSY else None  # noqa: S311 - spreads a crowd
    return raw_problem(code, language_of(headers), retry_after_seconds=wait, close=close)


class BoundedConfig(Config):
    """uvicorn's configuration and the receipts that all its connections share."""

    receipts: Receipts


class BoundedHttpProtocol(Receipt, HttpToolsProtocol):
    """One connection."""

    # Of the head that is coming in: the size of the chunk that it began in, which may hold other requests too, and
    # of all chunks after it.
    _chunk_bytes = _first_bytes = _later_bytes = 0
    _refusal: str | None = None  # the code of the answer that ends the connection, once it is its turn

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, BoundedConfig)
        self.receipts = config.receipts

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        waited = accept_wait_seconds(transport.get_extra_info("socket"))
        if waited is not None:
            metrics.ACCEPT_DELAY.observe(waited)
        if not self.receipts.admit(self):
            self.end_with("temporary_reduced_capacity")

    def connection_lost(self, exc: Exception | None) -> None:
        self.receipts.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._chunk_bytes = size = len(data)
        self._later_bytes += size
        super().data_received(data)
        if self.stage != Stage.RESTING:
            self.receipts.receiving.add(self)
            if self.stage == Stage.HEAD and self._later_bytes > self.receipts.bounds.head_bytes_max:
                self.end_with("headers_too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        receipts = self.receipts
        self.stage, self.since, self.said_something = Stage.HEAD, receipts.now, True
        self._first_bytes, self._later_bytes = self._chunk_bytes, 0
        receipts.unsampled -= 1
        if receipts.unsampled <= 0:
            receipts.unsampled = WAIT_SAMPLES
            waited = receipt_wait_seconds(self.transport.get_extra_info("socket"))
            if waited is not None:
                metrics.RECEIPT_DELAY.observe(waited)

    def on_headers_complete(self) -> None:
        self.judge_head()
        super().on_headers_complete()

    def judge_head(self) -> None:
        """The head is whole: bounds its fields and bytes. Raises `HeadTooLarge`."""
        self.stage, self.since = Stage.BODY, self.receipts.now
        bounds = self.receipts.bounds
        if len(self.headers) > bounds.header_fields_max or (
            # What came is usually far below the bound, and then so is the head.
            self._first_bytes + self._later_bytes > bounds.head_bytes_max
            and self._exact_head_bytes() > bounds.head_bytes_max
        ):
            self._refusal = "headers_too_large"
            raise HeadTooLarge

    def on_message_complete(self) -> None:
        self.stage, self.since = Stage.RESTING, self.receipts.now
        self.scope["state"][RECEIVED_AT] = self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.stage == Stage.RESTING:
            self.since = self.receipts.now
        super().on_response_complete()
        if self._refusal is not None and not self.occupied():
            self._write_refusal(self._refusal)

    def pause_writing(self) -> None:
        self.stalled_since = self.receipts.now
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stalled_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self.end_with(self._refusal or "bad_request")

    def end_with(self, code: str) -> None:
        """Answers with a problem and closes, after whatever is being answered; reads nothing any more."""
        self._refusal = code
        if not self.occupied():
            self._write_refusal(code)

    def occupied(self) -> bool:
        """An answer is under way, or reading was paused from here; a body still expected is the caller's turn."""
        if self.flow.read_paused or self.pipeline:
            return True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return self.stage != Stage.BODY or cycle.scope is not self.scope

    def cut(self, why: Cut) -> None:
        if self.transport.is_closing():
            return
        if why is Cut.STALLED:
            self.transport.abort()  # a close would wait for the reader
        elif why in _ANSWERED_CUTS:
            self.end_with("request_timeout")
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The process leaves. Who is silent is closed by the sweep; whoever asks in this moment is answered still."""
        self._unset_keepalive_if_required()
        if self.occupied() or self.stage == Stage.BODY:
            self.cycle.keep_alive = False

    def _write_refusal(self, code: str) -> None:
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(refusal(code, self.headers))
        self.transport.close()

    def _exact_head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
