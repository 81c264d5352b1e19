"""A second model of selling one item: plain dictionaries, no code shared with the service, no time, no stores.

It is simple enough to be believed. What it answers is what the service must answer; what it holds the rows must hold.
"""

from typing import Any
from uuid import UUID

Sum = tuple[int, str]


class Model:
    """One item of `total` units, at most `limit` a user, `price` each."""

    def __init__(self, total: int, limit: int, price: Sum) -> None:
        self.total, self.limit, self.price = total, limit, price
        self.holds: dict[UUID, dict[str, Any]] = {}
        self.payments: dict[UUID, dict[str, Any]] = {}
        self.keys: dict[tuple[str, str], tuple[UUID, int]] = {}

    def units(self, user: str | None = None) -> int:
        """Held, bought, or bought again after the hold had ended; of one user or of all."""
        return sum(
            hold["units"] * ((hold["state"] in ("held", "confirmed")) + hold["again"])
            for hold in self.holds.values()
            if user in (None, hold["user"])
        )

    def due(self, hold: UUID) -> Sum:
        return self.price[0] * self.holds[hold]["units"], self.price[1]

    def judge_wish(self, user: str, key: str, units: int) -> str:
        if (user, key) in self.keys:
            return "replayed" if self.keys[user, key][1] == units else "key_reused"
        if self.units(user) + units > self.limit:
            return "limit_reached"
        return "sold_out" if self.units() + units > self.total else "granted"

    def hold(self, hold: UUID, user: str, key: str, units: int) -> None:
        self.holds[hold] = {"user": user, "units": units, "state": "held", "again": False}
        self.keys[user, key] = (hold, units)

    def release(self, hold: UUID) -> str:
        if self.holds[hold]["state"] == "held":
            self.holds[hold]["state"] = "released"
        return "released" if self.holds[hold]["state"] == "released" else "hold_ended"

    def expire(self, hold: UUID) -> None:
        if self.holds[hold]["state"] == "held":
            self.holds[hold]["state"] = "expired"

    def judge_opening(self, hold: UUID) -> str:
        return {
            "held": "opened",
            "confirmed": "already_paid",
            "released": "hold_ended",
            "expired": "hold_expired",
        }[self.holds[hold]["state"]]

    def open_payment_of(self, hold: UUID) -> UUID | None:
        found = [
            name for name, each in self.payments.items() if each["hold"] == hold and each["state"] == "open"
        ]
        return found[0] if found else None

    def open(self, payment: UUID, hold: UUID) -> None:
        self.payments[payment] = {"hold": hold, "state": "open", "heard": None, "people": False}

    def hear_paid(self, payment: UUID, paid: Sum) -> str:
        one = self.payments[payment]
        if one["heard"] is not None:
            return "duplicate" if one["heard"] == paid else self.call_people(payment)
        one["heard"] = paid
        if one["state"] == "refunded":
            return "refunded"
        if paid != self.due(one["hold"]) or self.is_bought(one["hold"]):
            return self.owe(payment)
        hold = self.holds[one["hold"]]
        if hold["state"] == "held":
            hold["state"] = "confirmed"
            return self.serve(payment, "confirmed")
        if self.units(hold["user"]) + hold["units"] > self.limit or self.units() + hold["units"] > self.total:
            return self.owe(payment)
        hold["again"] = True
        return self.serve(payment, "regranted")

    def is_bought(self, hold: UUID) -> bool:
        return self.holds[hold]["state"] == "confirmed" or self.holds[hold]["again"]

    def serve(self, payment: UUID, outcome: str) -> str:
        mine = self.payments[payment]
        for other in self.payments.values():
            if other["hold"] == mine["hold"] and other["state"] == "open":
                other["state"] = "closed"
        mine["state"] = "serving"
        return outcome

    def owe(self, payment: UUID) -> str:
        self.payments[payment]["state"] = "due"
        return "refund_due"

    def call_people(self, payment: UUID) -> str:
        self.payments[payment]["people"] = True
        return "needs_people"

    def hear_refused(self, payment: UUID) -> str:
        one = self.payments[payment]
        if one["state"] not in ("open", "closed"):
            return "duplicate"
        one["state"] = "refused"
        return "refused"

    def hear_sent_back(self, payment: UUID) -> str:
        one = self.payments[payment]
        if one["state"] == "serving":
            return self.call_people(payment)
        if one["state"] == "refunded":
            return "duplicate"
        one["state"] = "refunded"
        return "refunded"

    def serving(self) -> int:
        return sum(one["state"] == "serving" for one in self.payments.values())
