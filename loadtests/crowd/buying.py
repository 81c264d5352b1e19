"""Inside: holding an item, as an app does it that never buys twice and never loses what it was promised."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from loadtests.crowd.personas import Persona
from loadtests.crowd.scene import Offer, instant
from loadtests.crowd.visit import HOLD_SECONDS_AWAITED_MAX, Over, Visit
from loadtests.crowd.wire import Answer

READMISSIONS_MAX: Final = 3  # an admission that ran out is asked for again, with the same ticket
STAY_SECONDS_MAX: Final = 180.0  # the last hold has long ended by then
QUANTITY_WISHED_MAX: Final = 2
UNKNOWN: Final = "unknown"  # a reservation that may have been granted to who gave up asking


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation as the shopper was told of it."""

    reservation_id: str
    sku: str
    quantity: int
    expires_at: float

    @classmethod
    def parse(cls, body: Any, *, sku: str, quantity: int) -> "Hold":
        """Raises KeyError, TypeError or ValueError for what is no reservation."""
        return cls(str(body["reservation_id"]), sku, quantity, instant(body["expires_at"]))


class Buying:
    """One shopper's attempts to hold something."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._readmissions = 0

    async def hold(self) -> Hold:
        """A held reservation. Raises `Over` when there is nothing to be had."""
        ends = time.monotonic() + STAY_SECONDS_MAX
        while True:
            for offer in self._wished_offers():
                held = await self._try(offer)
                if held is not None:
                    return held
            if not self.visit.shopper.stays or not await self._stock_again(ends):
                raise Over("sold_out")

    def _wished_offers(self) -> list[Offer]:
        """The items in this shopper's order; beyond the first only those that the document does not call gone."""
        offers, bands = self.visit.scene.sale.offers, self.visit.scene.board.document.bands
        turn = self.visit.shopper.item_turn % len(offers)
        ordered = [*offers[turn:], *offers[:turn]]
        return ordered[:1] + [offer for offer in ordered[1:] if bands.get(offer.sku) != "none"]

    async def _try(self, offer: Offer) -> Hold | None:
        several = self.visit.shopper.wishes_several and offer.per_user_limit > 1
        for quantity in (QUANTITY_WISHED_MAX, 1) if several else (1,):
            if self.visit.shopper.persona is Persona.DOUBLE_CLICKER:
                held = await self._click_twice(offer, quantity)
            else:
                held = await self._reserve(offer, quantity, _new_key())
            if held is not None:
                return held
        return None

    async def _click_twice(self, offer: Offer, quantity: int) -> Hold | None:
        """The same key twice at once and another key with them: one reservation a key, whatever the order."""
        key = _new_key()
        first, again, other = await asyncio.gather(
            self._reserve(offer, quantity, key),
            self._reserve(offer, quantity, key),
            self._reserve(offer, quantity, _new_key()),
            return_exceptions=True,
        )
        ids = {hold.reservation_id for hold in (first, again) if isinstance(hold, Hold)}
        if len(ids) > 1:
            self.visit.fault("one_key_two_reservations", Answer(201), sku=offer.sku)
        holds = {hold.reservation_id: hold for hold in (first, again, other) if isinstance(hold, Hold)}
        ends = [end for end in (first, again, other) if isinstance(end, BaseException)]
        ends = [end for end in ends if not holds or not isinstance(end, Over)]
        if ends:
            raise ends[0]
        if not holds:
            return None
        kept, *spare = holds.values()
        for hold in spare:
            await give_back(self.visit, hold)
        return kept

    async def _reserve(self, offer: Offer, quantity: int, key: str) -> Hold | None:
        """One reservation under one key; None when this item is sold out. Raises `Over` for the other refusals."""
        visit = self.visit
        while True:
            answer = await visit.send(
                "reserve",
                "POST",
                f"{visit.path}/reservations",
                body={"sku": offer.sku, "quantity": quantity, "phone": visit.shopper.phone},
                bearer=visit.admission,
                Idempotency_Key=key,
            )
            if not (answer.status == 401 and self._readmissions < READMISSIONS_MAX):
                break
            self._readmissions += 1
            visit.told("refused", answer, code=answer.code, sku=offer.sku)
            await visit.admit()
        if answer.ok:
            return self._held(answer, offer, quantity, key)
        if answer.status == 0 or answer.status >= 500:
            return await self._ask(answer, offer)
        if answer.code == "sold_out":
            visit.told("refused", answer, code="sold_out", sku=offer.sku, quantity=quantity)
            return None
        raise visit.turned_away("reserve", answer, sku=offer.sku, quantity=quantity)

    def _held(self, answer: Answer, offer: Offer, quantity: int, key: str | None = None) -> Hold:
        try:
            hold = Hold.parse(answer.body, sku=offer.sku, quantity=quantity)
        except (KeyError, TypeError, ValueError):
            self.visit.fault("reserve: not a reservation", answer, sku=offer.sku)
            raise Over("failed") from None
        self.visit.told(
            "reserved",
            answer,
            reservation_id=hold.reservation_id,
            sku=offer.sku,
            quantity=quantity,
            position=self.visit.position,
            key=key,
        )
        self.visit.holds(hold.reservation_id, hold.expires_at)
        self.visit.scene.known_reservations.append(hold.reservation_id)
        return hold

    async def _ask(self, unknown: Answer, offer: Offer) -> Hold:
        """The outcome was never told: whatever is held for this shopper now is the answer."""
        visit = self.visit
        answer = await visit.send("my_reservations", "GET", "/v1/me/reservations")
        for found in answer.get("reservations") or ():
            mine = found.get("sale_id") == visit.scene.sale.sale_id and found.get("sku") == offer.sku
            if mine and found.get("state") == "held":
                return self._held(
                    Answer(200, found, asked_at=unknown.asked_at), offer, int(found.get("quantity", 1))
                )
        visit.holds(UNKNOWN, visit.scene.server_now() + HOLD_SECONDS_AWAITED_MAX)
        visit.fault(f"reserve {unknown.status or 'no answer'}", unknown, sku=offer.sku)
        raise Over("unavailable" if answer.ok else "unknown_outcome")

    async def _stock_again(self, ends: float) -> bool:
        """Waits beside the door until a unit may have come back."""
        scene = self.visit.scene
        while scene.stock_may_return() and time.monotonic() < ends:
            if await scene.board.stock_again(seconds=1.0):
                await asyncio.sleep(scene.dice.uniform(0.0, 1.0))
                return True
        return False


async def give_back(visit: Visit, hold: Hold) -> None:
    """Releases a hold, and asks whether it is so."""
    answer = await visit.send("release", "DELETE", f"/v1/reservations/{hold.reservation_id}")
    if answer.ok:
        visit.held(hold.reservation_id)
        visit.told("released", answer, reservation_id=hold.reservation_id, sku=hold.sku)
    else:
        raise visit.turned_away("release", answer, reservation_id=hold.reservation_id)


def _new_key() -> str:
    """Unique in the world: a key is what makes a repeated request harmless."""
    return str(uuid4())
