"""One HTTP/1.1 connection on which the hot routes are answered where they are parsed.

Why it exists: an empty ASGI handler costs 27 µs a request on this server and the smallest FastAPI route 105 µs, of which
the route's own work is a tenth; the rest is task, scope, middleware and two writes. A hot request costs here, beyond
what the kernel takes for its two system calls, about 3 µs: httptools calls the methods below, the answer is bytes, and
all answers that are ready when a read has been parsed leave in one write.

What it costs: this file and `order` know uvicorn's protocol class from inside (its version is pinned, its behaviour is
tested). Whatever is not plain (other addresses and methods, `Expect`, chunked bodies, upgrades, bodies that do not
decode) is given to the superclass, which makes an ASGI request of it.
"""

from typing import TYPE_CHECKING, Final

import httptools
import structlog

from gateway.lane.order import OrderedProtocol
from gateway.lane.turns import Turn
from kit.web import metrics
from kit.web.kernel import receipt_wait_seconds
from kit.web.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX
from kit.web.protocol import HeadTooLarge
from kit.web.receipt import WAIT_SAMPLES, Stage

if TYPE_CHECKING:
    from gateway.lane.routes import Route

log = structlog.get_logger()

# What makes a request unusual: it is the app's, whatever its address.
_UNUSUAL: Final = frozenset({b"expect", b"transfer-encoding", b"upgrade"})

_LENGTH_DIGITS_MAX: Final = 5
REPEAT_BYTES_MAX: Final = 1024  # kept a connection; a poll is half of it
_RESTING, _HEAD, _BODY = Stage.RESTING, Stage.HEAD, Stage.BODY


class LaneProtocol(OrderedProtocol):
    """A connection. `lane` is set in the subclass that `Lane.protocol` makes."""

    fields: dict[bytes, bytes]
    method = body = b""
    _again: bytes | None = None  # the last read, where it was one whole request of the lane
    _repeatable = False
    _served: "Route"

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if data == self._again and not self.lane.draining:
            self._serve_again()
            return
        resting = self.stage == _RESTING
        self._chunk_bytes = size = len(data)
        self._later_bytes += size
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request itself is answered; nothing after it can be read, which its answer says
        except httptools.HttpParserCallbackError as error:
            self._fault(error.__context__)
        except httptools.HttpParserError:
            self.end_with("bad_request")
        if self.out:
            self.write()
        if self.stage == _RESTING:
            self._again = data if resting and self._repeatable and _is_one(data) else None
        else:
            self._again = None
            self.receipts.receiving.add(self)
            if self.stage == _HEAD and self._later_bytes > self.receipts.bounds.head_bytes_max:
                self.end_with("headers_too_large")

    def _serve_again(self) -> None:
        """A poll repeats the last request of its connection byte for byte, and then its parsing would find the same."""
        self.since = self.receipts.now
        try:
            self._answer(self._served)
        except Exception as error:  # noqa: BLE001 - as in the parser, which catches whatever its callbacks raise
            self._fault(error)
        if self.out:
            self.write()

    def _fault(self, cause: BaseException | None) -> None:
        """One of the methods below has raised: the request's fault where it is known to be, else ours."""
        if isinstance(cause, HeadTooLarge | httptools.HttpParserError):
            self.end_with(self._refusal or "bad_request")
        else:
            log.error("request_failed", exc_info=cause)
            self.end_with("internal")

    # What httptools calls, in this order.

    def on_message_begin(self) -> None:
        self.url, self.headers, self.stage, self.said_something = b"", [], _HEAD, True
        receipts = self.receipts
        self.since = receipts.now
        self._first_bytes, self._later_bytes = self._chunk_bytes, 0
        receipts.unsampled -= 1
        if receipts.unsampled <= 0:
            receipts.unsampled = WAIT_SAMPLES
            waited = receipt_wait_seconds(self.transport.get_extra_info("socket"))
            if waited is not None:
                metrics.RECEIPT_DELAY.observe(waited)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.deaf:
            return
        size = self._first_bytes + self._later_bytes
        if size > HEADER_BYTES_MAX or len(self.headers) > self.receipts.bounds.header_fields_max:
            self.judge_head()
            size = sum(len(name) + len(value) for name, value in self.headers)
        self.stage = _BODY
        route = self.lane.routes.get(self.url)
        if route is not None and size <= HEADER_BYTES_MAX:
            self.fields = fields = dict(
                self.headers[::-1]
            )  # of a repeated field the first counts, as in the app
            self.method = self.parser.get_method()
            length = fields.get(b"content-length")
            if (
                self.method in route.methods
                and _UNUSUAL.isdisjoint(fields)
                and (length is None or (len(length) <= _LENGTH_DIGITS_MAX and int(length) <= BODY_BYTES_MAX))
            ):
                self.last = self.lane.draining or not self.parser.should_keep_alive()
                self.spoken = b"connection" in fields and self.parser.get_http_version() == "1.0"
                self.route, self.body = route, b""
                return
        self.pass_on()

    def on_body(self, body: bytes) -> None:
        if self.route is not None:
            self.body += body
        elif not self.deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.stage = _RESTING
        route, self.route = self.route, None
        if route is not None:
            self._repeatable = not self.last
            self._served = route
            self._answer(route)
        elif not self.deaf:
            self._repeatable = False
            super().on_message_complete()
        self.deaf = self.deaf or self.last

    def _answer(self, route: "Route") -> None:
        answer = route.serve(self)
        if type(answer) is bytes and not (self.owed or self.last or self.spoken):
            self.out.append(answer)
        elif answer is not None:
            self.owe(answer if isinstance(answer, Turn) else Turn(answer))
        else:  # the body is not what the route takes: the app says what is wrong with it
            self._repeatable = False
            self.pass_on()
            super().on_body(self.body)
            super().on_message_complete()


def _is_one(data: bytes) -> bool:
    """Whether a read that began and ended between requests was one request: it has one head."""
    return len(data) <= REPEAT_BYTES_MAX and data.count(b"\r\n\r\n") == 1
