"""The provider, pretended in this process: it takes every payment at once, keeps its own book and says so by notices."""

from typing import Any

from flashsale.facts import PaymentHandle
from kit.clock import Clock
from kit.ids import new_id
from kit.provider import PaymentNotice, ProviderClient
from ops.invariants.book import BookEntry


class Till(ProviderClient):
    """A provider without a network. Its book is the witness of who was charged."""

    def __init__(self, clock: Clock) -> None:
        # Not the base's `__init__`: there is no network to connect to, and no key.
        self._clock = clock
        self._notices: dict[str, PaymentNotice] = {}
        self.book: list[BookEntry] = []

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """The page to pay at."""
        return {"pay_url": f"/pay/{body['payment_id']}"}

    async def close(self) -> None:
        """Nothing was opened."""

    def pay(self, handle: PaymentHandle) -> PaymentNotice:
        """The shopper pays; paid twice is paid once, and the notice is the same."""
        key = str(handle.payment_id)
        if key not in self._notices:
            now = self._clock.now()
            self.book.append(
                BookEntry(
                    number=len(self.book) + 1,
                    kind="payment",
                    key=key,
                    amount_minor=handle.amount_minor,
                    currency=handle.currency,
                    at=now,
                )
            )
            self._notices[key] = PaymentNotice(
                event_id=f"evt-{new_id().hex}",
                type="payment.succeeded",
                payment_id=handle.payment_id,
                amount_minor=handle.amount_minor,
                currency=handle.currency,
                occurred_at=now,
            )
        return self._notices[key]
