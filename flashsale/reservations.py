"""Reserving: from an admitted request to a durable acknowledgement.

A request waits for the next batch, is claimed in Redis with it (or refused there), and the claimed ones are committed
together. Where Redis is away or has forgotten the item, PostgreSQL decides alone at a bounded rate.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from flashsale import metrics
from flashsale.answers import outside_window, refusal, unfit
from flashsale.board import StockBoard
from flashsale.borrowing import Borrowing
from flashsale.committer import GroupCommitter
from flashsale.errors import SaleUnknown, SoldOut
from flashsale.facts import Admitted, Reservation, Reserved, ReserveRequest
from flashsale.holds import release_hold
from flashsale.lanes import Lanes, Waiting
from flashsale.ledger import Decision
from flashsale.marks import SoldOutMarks
from flashsale.readings import get_reservation, list_reservations
from flashsale.rules import Wish, home_bucket
from flashsale.sales import SaleBook
from flashsale.settings import FlashsaleSettings
from flashsale.stock import Claim, StockClaims
from flashsale.trickle import Trickle
from kit.clock import Clock
from kit.errors import DomainError, Unavailable
from kit.idempotency import fingerprint
from kit.ids import new_id
from kit.postgres import Postgres, WriteSession
from kit.sinks import Listener, Waiter

__all__ = [
    "Admitted",
    "Reservation",
    "Reservations",
    "ReserveRequest",
    "Reserved",
    "StockBoard",
    "get_reservation",
    "list_reservations",
]

_answers: Final = metrics.RESERVATION_ANSWERS.counts


class Reservations:
    """The reservation service of one process; works between `start` and `stop`, in one event loop."""

    def __init__(
        self,
        postgres: Postgres,
        stock: Redis,
        bells: Redis,
        book: SaleBook,
        clock: Clock,
        settings: FlashsaleSettings,
    ) -> None:
        self._stock, self._bells, self._book, self._clock = stock, bells, book, clock
        self.marks = SoldOutMarks(stock, book)
        self._claims = StockClaims(stock, book, rest_seconds=settings.redis_rest_seconds)
        self._committer = GroupCommitter(postgres, settings)
        self._borrowing = Borrowing(postgres, stock, self._claims, self._committer, settings)
        self._lanes = Lanes(settings, self._serve, self._claims.flush)
        self._alone_rate = Trickle(settings.ledger_only_per_second)
        self._alone_slots = asyncio.Semaphore(settings.ledger_only_at_once)

    async def start(self) -> None:
        """Starts the lanes."""
        self._lanes.start()

    async def stop(self) -> None:
        """Answers everything that is queued or in flight, then ends the lanes."""
        await self._lanes.stop()

    async def reserve(self, request: ReserveRequest) -> Reserved:
        """Holds units for the user, durably; the same key and request again get the same answer (`replayed`).

        Raises `SaleUnknown`, `SaleNotOpen`, `SaleOver`, `ItemUnknown`, `QuantityInvalid`, `SoldOut`, `LimitReached`,
        `KeyReused`, `InProgress`, `InvalidInput`, and `Unavailable` when it is not known or not possible now: then the
        same key may be sent again.
        """
        waiter: Waiter[Reserved] = Waiter()
        self.submit(request, waiter)
        return await waiter

    def submit(self, request: ReserveRequest, sink: Listener[Reserved]) -> None:
        """Like `reserve`, for callers that do not wait: the sink is told, or refused with what `reserve` raises."""
        wish = self.prepare(request)
        if isinstance(wish, DomainError):
            sink.refuse(wish)
        else:
            self.enter(wish, sink)

    def prepare(self, request: ReserveRequest) -> Wish | DomainError:
        """The request as a wish, or why it cannot be granted as far as this process knows; no I/O."""
        admitted, sku = request.admitted, request.sku
        sale_id, user_id = admitted.sale_id, admitted.user_id
        sale = self._book.find(sale_id)
        refused: DomainError | None
        if sale is None:
            refused = SaleUnknown(sale_id=sale_id)
        else:
            refused = outside_window(sale, self._clock.now())
            if refused is None and self.marks.refuses(sale_id, sku, user_id):
                refused = SoldOut(
                    sku=sku
                )  # whatever else may be wrong with it; the cheapest answer, to the most
            if refused is None:
                item = self._book.find_item(sale_id, sku)
                refused = unfit(sale_id, item, request)
        if refused is not None:
            _answers[refused.code] += 1
            return refused
        quantity = request.quantity
        buckets = 1 if item is None else item.buckets
        return Wish(
            new_id(),
            sale_id,
            sku,
            user_id,
            quantity,
            request.idempotency_key,
            _fingerprint(sku, quantity),
            admitted.admission_id,
            admitted.position,
            request.phone,
            (sale_id, sku, home_bucket(user_id, buckets)),
            buckets,
        )

    def enter(self, wish: Wish, sink: Listener[Reserved]) -> None:
        """Puts a prepared wish into the next batch."""
        error = self._lanes.enter(wish, sink)
        if error is not None:
            _answers[error.code] += 1
            sink.refuse(error)

    async def release(self, session: WriteSession, reservation_id: UUID, user_id: str) -> Reservation:
        """Ends the user's hold at their wish; again, it says the same.

        Raises `ReservationUnknown` (also when it is somebody else's), `HoldEnded` when it is confirmed or expired.
        """
        return await release_hold(session, self._stock, self._bells, reservation_id, user_id)

    async def _serve(self, batch: Sequence[Waiting]) -> None:
        metrics.BATCH_REQUESTS.observe(len(batch))
        claims = await self._borrowing.claim([waiting.wish for waiting in batch])
        known: list[tuple[Waiting, Claim]] = []
        to_commit: list[Waiting] = []
        alone = False
        for waiting, claim in zip(batch, claims, strict=True):
            if claim == "claimed":
                to_commit.append(waiting)
            elif claim in {"away", "not_loaded"}:
                alone = self._admit_alone(waiting, to_commit) or alone
            elif claim == "sold_out":
                waiting.refuse(refusal(claim, waiting.wish, self._book))
            else:
                known.append((waiting, claim))
        if not known:
            await self._commit(to_commit, alone=alone)
            return
        # Both end before the batch does, whatever becomes of the other: what is committed must be answered so.
        ends = await asyncio.gather(
            self._refuse_or_replay(known), self._commit(to_commit, alone=alone), return_exceptions=True
        )
        for end in ends:
            if end is not None:
                raise end

    def _admit_alone(self, waiting: Waiting, to_commit: list[Waiting]) -> bool:
        admitted = self._alone_rate.take()
        metrics.LEDGER_ONLY.labels(outcome="admitted" if admitted else "turned_away").inc()
        if admitted:
            to_commit.append(waiting)
        else:
            # The claim may have reached a Redis whose answer did not reach us.
            self._claims.settle(waiting.wish, epoch=None)
            waiting.refuse(Unavailable("stock"))
        return admitted

    async def _refuse_or_replay(self, known: Sequence[tuple[Waiting, Claim]]) -> None:
        """Those who have reserved before may be repeating an old key, and its answer is what they must get."""
        try:
            decisions = await self._committer.find_replays([waiting.wish for waiting, _ in known])
        except Unavailable as error:
            # "Sold out" would be a wrong answer to a repeat of what was granted.
            for waiting, _ in known:
                waiting.refuse(error)
            return
        for (waiting, claim), decision in zip(known, decisions, strict=True):
            if decision is None:
                waiting.refuse(refusal(claim, waiting.wish, self._book))
            else:
                self._answer(waiting, decision, ours=_is_own(waiting.wish, decision))

    async def _commit(self, batch: Sequence[Waiting], *, alone: bool) -> None:
        if not batch:
            return
        async with self._alone_slots if alone else nullcontext():
            outcomes = await self._borrowing.commit([waiting.wish for waiting in batch])
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Decision):
                item, ours = outcome.item, _is_own(waiting.wish, outcome)
                self._claims.settle(waiting.wish, epoch=item.epoch if ours and item is not None else None)
                self._answer(waiting, outcome, ours=ours)
                continue
            if outcome == "not_written":
                self._claims.settle(waiting.wish, epoch=None)
            # An unknown one's id is looked up by the repair when nobody can be writing it any more.
            waiting.refuse(Unavailable("reservations"))

    def _answer(self, waiting: Waiting, decision: Decision, *, ours: bool) -> None:
        if decision.reservation is None:
            waiting.refuse(refusal(decision.verdict, waiting.wish, self._book))
        else:
            waiting.tell(Reserved(decision.reservation, replayed=not ours))


def _is_own(wish: Wish, decision: Decision) -> bool:
    """Whether the wish itself has become a reservation.

    By the id, not by the verdict: a batch that was tried twice finds its own row as a replay.
    """
    reservation = decision.reservation
    return reservation is not None and reservation.reservation_id == wish.reservation_id


@lru_cache(maxsize=4096)
def _fingerprint(sku: str, quantity: int) -> bytes:
    """Not of the admission: a repeat may well carry a fresh one."""
    return fingerprint({"sku": sku, "quantity": quantity})
