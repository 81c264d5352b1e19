"""What all connections of one process share in the lane: the addresses, the second's bytes, and who is to be written to.

Five times a second it looks whether the second or the list of sales is another; nothing of that is done a request.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from email.utils import format_datetime
from typing import Final

import structlog

from gateway.lane.order import OrderedProtocol
from gateway.lane.protocol import LaneProtocol
from gateway.lane.queue import Queue
from gateway.lane.refusals import Refusals
from gateway.lane.rendering import Heads
from gateway.lane.routes import Admissions, Reservations, Route, Tickets
from gateway.lane.tokens import UserTokens
from gateway.parts import Parts
from gateway.queue_documents import REUSE_SECONDS
from kit.web.languages import Language, spoken_language
from kit.web.problems import Problems

log = structlog.get_logger()

_KINDS: Final[Mapping[str, type[Route]]] = {
    "queue": Queue,
    "tickets": Tickets,
    "admissions": Admissions,
    "reservations": Reservations,
}


class Lane:
    """The lane of one process; `tick` keeps it up to date, `ticking` calls it."""

    def __init__(self, parts: Parts, problems: Problems) -> None:
        self.clock, self.documents = parts.clock, parts.queue_documents
        self.waiting_room, self.reservations = parts.waiting_room, parts.reservations
        self.gate, self.limiting = parts.gate, parts.limiting
        self.limits = parts.limiting.limits if parts.limiting is not None else None
        self.tokens = UserTokens(parts.identities)
        self.refusals, self.heads = Refusals(problems), Heads()
        self.routes: dict[bytes, Route] = {}
        self.draining = False  # every answer says that it is the connection's last
        self.turn = 0
        self._book = parts.book
        self._second = -1
        self._sales: list[str] = []
        self._ready: list[OrderedProtocol] = []
        self.tick()

    def protocol(self) -> type[LaneProtocol]:
        """The protocol class of this lane's connections, for `uvicorn.Config(http=...)`."""
        return type("LaneProtocolOfProcess", (LaneProtocol,), {"lane": self})

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Ticks as long as the block lasts."""
        task = asyncio.create_task(self._run(), name="lane")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REUSE_SECONDS)
            try:
                self.tick()
            except Exception:  # what is written for this second must not be served for ever
                log.exception("lane_tick_failed")

    def tick(self) -> None:
        """Looks at the clock and at the list of sales."""
        self.turn += 1
        now = self.clock.now()
        second = int(now.timestamp())
        if second != self._second:
            self._second = second
            self.heads.renew(format_datetime(now, usegmt=True))
            self.refusals.renew(self.heads.date)
        sales = [sale.sale_id for sale in self._book.all()]
        if sales != self._sales:
            self._sales = sales
            self.routes = {
                f"/v1/sales/{sale_id}/{name}".encode(): kind(self, sale_id, name)
                for sale_id in sales
                for name, kind in _KINDS.items()
            }

    def drain(self) -> None:
        """From now on each caller is told with its answer to take its next request elsewhere."""
        self.draining = True

    def soon(self, connection: OrderedProtocol) -> None:
        """Writes what the connection is owed at the end of this turn of the loop, with all that is ready by then."""
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._write_ready)
        self._ready.append(connection)

    def language(self, fields: Mapping[bytes, bytes]) -> Language:
        """The language of an answer, from `Accept-Language`."""
        return spoken_language(fields.get(b"accept-language"))

    def _write_ready(self) -> None:
        ready, self._ready = self._ready, []
        for connection in ready:
            try:
                connection.advance()
            except Exception:  # one connection's trouble must not cost the others their answers
                log.exception("answer_not_written")
                connection.transport.abort()
