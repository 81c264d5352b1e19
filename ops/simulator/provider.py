"""What the provider does: it keeps its book, executes each key once, and announces every effect by webhook."""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from kit.clock import Clock, rfc3339
from kit.ids import new_id
from ops.simulator.book import Book
from ops.simulator.misbehaviour import Dice, Misbehaviour

PAYMENTS_PATH: Final = "/v1/webhooks/payments"
PAYOUTS_PATH: Final = "/v1/webhooks/payouts"


class Conflict(Exception):
    """The key or id is known with other parameters, or the decision has been taken. `code` names it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class NotKnown(Exception):
    """No such payment."""


class Broken(Exception):
    """The provider fails before it has done anything."""


@dataclass(frozen=True, slots=True)
class PayoutAnswer:
    """The stored answer of a payout key; `silent`: executed, and nobody is told."""

    answer: dict[str, Any]
    silent: bool


class Provider:
    """The business of the simulator. One call, one transaction of the book."""

    def __init__(self, book: Book, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._dice = Dice(book.misbehaviour())

    @property
    def misbehaviour(self) -> Misbehaviour:
        return self._dice.plan

    def misbehave(self, plan: Misbehaviour) -> None:
        with self._book.change():
            self._book.set_misbehaviour(plan)
        self._dice = Dice(plan)

    def open_payment(self, payment_id: str, amount_minor: int, currency: str, title: str) -> dict[str, Any]:
        """The payment; the same for the same id. Raises `Conflict` (other amount), `Broken`."""
        known = self._book.payment(payment_id)
        if known is not None:
            if (known["amount_minor"], known["currency"]) != (amount_minor, currency):
                raise Conflict("parameters_differ")
            return known
        if self._dice.payment_fails():
            raise Broken
        with self._book.change():
            self._book.add_payment(payment_id, amount_minor, currency, title)
        return self.payment(payment_id)

    def payment(self, payment_id: str) -> dict[str, Any]:
        """Raises `NotKnown`."""
        known = self._book.payment(payment_id)
        if known is None:
            raise NotKnown
        return known

    def decide(
        self,
        payment_id: str,
        outcome: Literal["succeed", "refuse"],
        *,
        webhook_delay_ms: int | None = None,
        webhook_copies: int | None = None,
    ) -> dict[str, Any]:
        """The shopper's decision; a second click on the same button changes nothing. Raises `NotKnown`, `Conflict`."""
        payment = self.payment(payment_id)
        state, kind = (
            ("succeeded", "payment.succeeded") if outcome == "succeed" else ("refused", "payment.refused")
        )
        if payment["state"] == state:
            return payment
        if payment["state"] != "created":
            raise Conflict("already_decided")
        delay = None if webhook_delay_ms is None else webhook_delay_ms / 1000
        with self._book.change():
            self._book.set_payment(payment_id, state)
            if state == "succeeded":
                self._effect("payment", payment)
            self._announce_payment(kind, payment, delay_seconds=delay, copies=webhook_copies)
        return self.payment(payment_id)

    def refund(self, payment_id: str) -> dict[str, Any]:
        """Gives a payment back, once. Raises `NotKnown`, `Conflict` (nothing was paid), `Broken`."""
        payment = self.payment(payment_id)
        if payment["state"] == "refunded":
            return payment
        if payment["state"] != "succeeded":
            raise Conflict("nothing_to_refund")
        if self._dice.refund_fails():
            raise Broken
        with self._book.change():
            self._book.set_payment(payment_id, "refunded")
            self._effect("refund", payment)
            self._announce_payment("refund.succeeded", payment, delay_seconds=None, copies=None)
        return self.payment(payment_id)

    def pay_out(self, parameters: dict[str, Any]) -> PayoutAnswer:
        """Executes a payout, once a key. Raises `Conflict` (same key, other parameters), `Broken`."""
        key = parameters["provider_key"]
        known = self._book.payout(key)
        if known is not None:
            if known["parameters"] != json.dumps(parameters, sort_keys=True):
                raise Conflict("parameters_differ")
            return PayoutAnswer(_payout_answer(known), silent=False)
        turn = self._dice.payout()
        if turn == "error":
            raise Broken
        with self._book.change():
            if turn in {"paid", "silent"}:
                self._execute(parameters)
            else:
                self._decline(parameters, retryable=turn == "declined")
        return PayoutAnswer(self.payout(key) or {}, silent=turn == "silent")

    def payout(self, provider_key: str) -> dict[str, Any] | None:
        known = self._book.payout(provider_key)
        return None if known is None else _payout_answer(known)

    def _execute(self, parameters: dict[str, Any]) -> None:
        self._book.add_payout(
            parameters, state="paid", reference=f"po_{new_id().hex}", reason=None, retryable=False
        )
        self._book.add_effect(
            "payout",
            parameters["provider_key"],
            user_id=parameters["user_id"],
            reward_kind=parameters["kind"],
            amount_minor=parameters["amount_minor"],
            currency=parameters["currency"],
        )
        self._announce_payout("payout.paid", parameters["provider_key"])

    def _decline(self, parameters: dict[str, Any], *, retryable: bool) -> None:
        reason = "try_again_later" if retryable else "account_closed"
        self._book.add_payout(
            parameters, state="declined", reference=None, reason=reason, retryable=retryable
        )
        self._announce_payout("payout.declined", parameters["provider_key"])

    def _effect(self, kind: str, payment: dict[str, Any]) -> None:
        self._book.add_effect(
            kind,
            payment["payment_id"],
            amount_minor=payment["amount_minor"],
            currency=payment["currency"],
        )

    def _announce_payment(
        self, kind: str, payment: dict[str, Any], *, delay_seconds: float | None, copies: int | None
    ) -> None:
        fields = {key: payment[key] for key in ("payment_id", "amount_minor", "currency")}
        self._announce(
            PAYMENTS_PATH,
            {"type": kind, **fields},
            delay_seconds=self._dice.webhook_delay_seconds(payment=True)
            if delay_seconds is None
            else delay_seconds,
            copies=copies or self._dice.webhook_copies(),
        )

    def _announce_payout(self, kind: str, provider_key: str) -> None:
        self._announce(
            PAYOUTS_PATH,
            {"type": kind, "provider_key": provider_key},
            delay_seconds=self._dice.webhook_delay_seconds(payment=False),
            copies=self._dice.webhook_copies(),
        )

    def _announce(self, path: str, fields: dict[str, Any], *, delay_seconds: float, copies: int) -> None:
        event_id = f"evt_{new_id().hex}"
        now = self._clock.now()
        notice = {"event_id": event_id, **fields, "occurred_at": rfc3339(now)}
        for _ in range(copies):
            self._book.add_delivery(event_id, path, json.dumps(notice), now.timestamp() + delay_seconds)


def _payout_answer(row: dict[str, Any]) -> dict[str, Any]:
    answer = {key: row[key] for key in ("provider_key", "state", "reference", "reason")}
    return answer | {"retryable": bool(row["retryable"])}
