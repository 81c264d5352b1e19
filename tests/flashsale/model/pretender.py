"""The provider of a walk: what it really charged and sent back, whatever it says and whatever is lost on the way."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kit.provider import ProviderRefused, ProviderUnknown
from ops.invariants.book import BookEntry
from tests.flashsale.model.plain import Sum


class Pretender:
    """`mood`: well; away (nothing is done); silent (all is done, and no answer comes)."""

    def __init__(self) -> None:
        self.mood = "well"
        self.charged: dict[UUID, Sum] = {}
        self.sent_back: set[UUID] = set()
        self.refused: set[UUID] = set()
        self.book: list[BookEntry] = []

    def charge(self, payment: UUID, paid: Sum) -> None:
        self.charged[payment] = paid
        self._enter("payment", payment)

    def send_back(self, payment: UUID) -> None:
        if payment not in self.sent_back:
            self.sent_back.add(payment)
            self._enter("refund", payment)

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        self._say_nothing_if("away")
        payment = UUID(body["payment_id"])
        if path == "/refunds":
            if payment not in self.charged:
                raise ProviderRefused("nothing_to_refund", status=409)
            self.send_back(payment)
        self._say_nothing_if("silent")
        return {"pay_url": f"/pay/{payment}"}

    async def get(self, path: str) -> dict[str, Any] | None:
        self._say_nothing_if("away", "silent")
        payment = UUID(path.rpartition("/")[2])
        amount_minor, currency = self.charged.get(payment, (0, "CNY"))
        return {"amount_minor": amount_minor, "currency": currency, "state": self.state(payment)}

    def state(self, payment: UUID) -> str:
        if payment in self.sent_back:
            return "refunded"
        if payment in self.charged:
            return "succeeded"
        return "refused" if payment in self.refused else "created"

    def _say_nothing_if(self, *moods: str) -> None:
        if self.mood in moods:
            raise ProviderUnknown(self.mood)

    def _enter(self, kind: Any, payment: UUID) -> None:
        amount_minor, currency = self.charged[payment]
        self.book.append(
            BookEntry(
                number=len(self.book) + 1,
                kind=kind,
                key=str(payment),
                amount_minor=amount_minor,
                currency=currency,
                at=datetime.now(UTC),
            )
        )
