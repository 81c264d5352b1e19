"""GET and HEAD …/queue: the same bytes for everybody, written anew only when they say something new.

The document is the app's own. Its three forms (whole, head alone, not modified) are kept ready with this second's date.
"""

from typing import TYPE_CHECKING

from gateway.lane.rendering import LENGTH
from gateway.lane.routes import Route
from gateway.lane.turns import Turn
from kit.errors import DomainError
from kit.web.conditional import Document, has

if TYPE_CHECKING:
    from gateway.lane.lane import Lane
    from gateway.lane.protocol import LaneProtocol


class Queue(Route):
    """GET …/queue"""

    methods = frozenset({b"GET", b"HEAD"})

    def __init__(self, lane: "Lane", sale_id: str, name: str) -> None:
        super().__init__(lane, sale_id, name)
        self.turn = -1
        self.date = b""
        self.document: Document | None = None
        self.etag = self.whole = self.head = self.unchanged = b""

    def serve(self, connection: "LaneProtocol") -> bytes | Turn | None:
        if self.turn != self.lane.turn:
            try:
                self._renew()
            except DomainError as error:
                return None if connection.method == b"HEAD" else self.refuse(connection, error)
        known = connection.fields.get(b"if-none-match")
        if known is not None and (known == self.etag or has(known.decode("latin-1"), self.etag.decode())):
            self.answers["not_modified"] += 1
            return self.unchanged
        self.answers["whole"] += 1
        return self.head if connection.method == b"HEAD" else self.whole

    def _renew(self) -> None:
        lane = self.lane
        document = lane.documents.get(self.sale_id)
        if document is not self.document or lane.heads.date is not self.date:
            self.document, self.date = document, lane.heads.date
            self.etag = document.etag.encode()
            fields = b"etag: %b\r\ncache-control: %b\r\n" % (self.etag, document.cache_control.encode())
            self.unchanged = b"HTTP/1.1 304 Not Modified\r\n%b%b\r\n" % (self.date, fields)
            line = b"HTTP/1.1 200 OK\r\n"
            self.head = b"%b%b%b%b%d\r\n\r\n" % (line, self.date, fields, LENGTH, len(document.body))
            self.whole = self.head + document.body
        self.turn = lane.turn
