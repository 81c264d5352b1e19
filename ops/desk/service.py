"""The desk: looks shoppers up for staff, in one instant of the stores, and writes down who looked.

Every function takes the caller's transaction; the audit row is in it, so an answer without one cannot be given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from flashsale.reservations import get_reservation
from flashsale.sales import SaleFacts, get_sale, list_sales
from kit.postgres import ReadSession, WriteSession
from ops.desk import readings
from ops.desk.audit import Viewer, write_audit
from ops.desk.facts import ShopperFacts
from ops.desk.gather import PlaceFinder, Records, gather, read_records, read_sales_now
from ops.desk.masks import mask_phone

SALES_SHOWN_MAX: Final = 20  # what an agent reads during a call; older sales are asked for by id
SHOPPERS_SHOWN_MAX: Final = 5  # a phone with more users than that is a case for the risk team
ENDED_SHOWN: Final = timedelta(days=7)  # as long as the waiting room remembers places


@dataclass(frozen=True, slots=True)
class Answer:
    """What the desk knows of one shopper; `audit_id` names the row that says who asked."""

    user_id: str
    phones: Sequence[str]
    sales: Sequence[ShopperFacts]
    audit_id: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    answers: Sequence[Answer]
    audit_id: UUID


class Desk:
    """The customer-service desk of one process."""

    def __init__(self, find_place: PlaceFinder) -> None:
        self._find_place = find_place

    async def look_up(
        self, session: WriteSession, viewer: Viewer, user_id: str, *, sale_id: str | None = None
    ) -> Answer:
        """The shopper in every sale that concerns them, or in `sale_id` alone. Raises `SaleUnknown`, `Unavailable`.

        Must be the transaction's first call.
        """
        now = await readings.hold_still(session)
        records = await read_records(session, user_id, now)
        wanted = [await get_sale(session, sale_id)] if sale_id is not None else await list_sales(session)
        return await self._answer(session, viewer, user_id, records, wanted, {"sale_id": sale_id})

    async def search_phone(self, session: WriteSession, viewer: Viewer, phone: str) -> Found:
        """Who reserved with exactly this phone; nobody is an answer too. Must be the transaction's first call."""
        now = await readings.hold_still(session)
        users = await readings.find_users_by_phone(session, phone)
        return await self._found(session, viewer, users, now, {"phone": mask_phone(phone)})

    async def search_reservation(self, session: WriteSession, viewer: Viewer, reservation_id: UUID) -> Found:
        """Whose reservation it is. Raises `ReservationUnknown`. Must be the transaction's first call."""
        now = await readings.hold_still(session)
        reservation = await get_reservation(session, reservation_id, None)
        by = {"reservation_id": str(reservation_id)}
        return await self._found(session, viewer, [reservation.user_id], now, by)

    async def _found(
        self, session: WriteSession, viewer: Viewer, users: Sequence[str], now: datetime, by: dict[str, Any]
    ) -> Found:
        searched = {**by, "found": len(users)}
        audit_id = await write_audit(session, viewer, "desk_search", user_id=None, details=searched)
        answers = []
        for user_id in users[:SHOPPERS_SHOWN_MAX]:
            records = await read_records(session, user_id, now)
            sales = await list_sales(session)
            answers.append(await self._answer(session, viewer, user_id, records, sales, by))
        return Found(answers, audit_id)

    async def _answer(
        self,
        session: WriteSession,
        viewer: Viewer,
        user_id: str,
        records: Records,
        sales: Sequence[SaleFacts],
        by: dict[str, Any],
    ) -> Answer:
        shown = await self._facts(session, user_id, records, sales, only=by.get("sale_id") is not None)
        audit_id = await write_audit(session, viewer, "desk_lookup", user_id=user_id, details=by)
        return Answer(user_id, records.phones, shown, audit_id)

    async def _facts(
        self, session: ReadSession, user_id: str, records: Records, sales: Sequence[SaleFacts], *, only: bool
    ) -> list[ShopperFacts]:
        traced = records.sale_ids
        recent = [
            sale
            for sale in sorted(sales, key=lambda sale: (sale.opens_at, sale.sale_id), reverse=True)
            if only or sale.sale_id in traced or sale.closes_at > records.now - ENDED_SHOWN
        ]
        # Sales with a trace first: a shopper's own must not be crowded out by those that are merely on.
        recent.sort(key=lambda sale: sale.sale_id not in traced)
        found = [
            await gather(session, self._find_place, records, sale, user_id)
            for sale in await read_sales_now(session, recent[:SALES_SHOWN_MAX])
        ]
        return [facts for facts in found if only or _concerns(facts, records.sale_ids)]


def _concerns(facts: ShopperFacts, traced: set[str]) -> bool:
    """Whether a sale says something about the shopper: a trace, a place, or that it is not over yet."""
    return facts.sale.sale_id in traced or facts.line.position is not None or facts.now < facts.sale.closes_at
