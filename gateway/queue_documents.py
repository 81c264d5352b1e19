"""The queue document of each sale: the same for everybody, written from memory a few times a second at most.

The app and the lane answer from the same documents, so that a cache between them and the crowd never sees two.
"""

from typing import Final

import msgspec

from flashsale.board import StockBoard
from kit.clock import Clock, rfc3339
from kit.web.conditional import Document
from queueing.service import RoomBoard, RoomView, queue_document

CACHE: Final = "public, max-age=1"
# The views behind the document change once a second; writing it more often than this would only burn CPU.
REUSE_SECONDS: Final = 0.2


class QueueDocuments:
    """One process's documents, each kept until what it was written from is another or it is a fifth of a second old."""

    def __init__(self, rooms: RoomBoard, stock: StockBoard, clock: Clock) -> None:
        self._rooms, self._stock, self._clock = rooms, stock, clock
        self._written: dict[str, tuple[RoomView, int, Document]] = {}

    def get(self, sale_id: str) -> Document:
        """The document of a sale. Raises `RoomUnknown`, `QueueUnavailable`."""
        view = self._rooms.view(sale_id)
        tick = int(self._clock.now().timestamp() / REUSE_SECONDS)
        known = self._written.get(sale_id)
        if known is not None and known[0] is view and known[1] == tick:
            return known[2]
        document = self._write(view)
        self._written[sale_id] = (view, tick, document)
        return document

    def _write(self, view: RoomView) -> Document:
        now, stock = self._clock.now(), self._stock
        content = queue_document(view, stock.bands(view.sale_id), stock.sold_out(view.sale_id), now)
        content["stale"] = content["stale"] or stock.stale
        # The clock's reading is no news: a document that says nothing else keeps its ETag.
        identity = msgspec.json.encode({**content, "server_time": None})
        body = msgspec.json.encode({**content, "server_time": rfc3339(now)})
        return Document.of(body, media_type="application/json", cache_control=CACHE, identity=identity)
