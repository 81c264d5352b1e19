"""Facts for the desk's tests: each with a default that says nothing special."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ops.desk.facts import Charge, Hold, Line, Notice, Reward, SaleWindow, ShopperFacts, Try

OPENS = datetime(2027, 11, 11, tzinfo=UTC)
CLOSES = OPENS + timedelta(hours=1)
NOW = OPENS + timedelta(minutes=10)
SALE = SaleWindow("sale-1", "double11", OPENS, CLOSES, {"zh-CN": "双十一", "en": "Double-11"})


def an_id(number: int) -> UUID:
    return UUID(int=number)


def at(seconds: float) -> datetime:
    return OPENS + timedelta(seconds=seconds)


def facts(**known: Any) -> ShopperFacts:
    return ShopperFacts(**{"sale": SALE, "now": NOW, **known})


def line(position: int | None = 5, frontier: int = 0, **known: Any) -> Line:
    return Line(position, frontier, **known)


def hold(state: str = "held", number: int = 1, **known: Any) -> Hold:
    ended = None if state == "held" else NOW
    base = {
        "reservation_id": an_id(number), "sku": "mug", "quantity": 1, "amount_minor": 990, "currency": "CNY",
        "state": state, "held_at": at(60), "expires_at": NOW + timedelta(seconds=60), "ended_at": ended,
    }  # fmt: skip
    return Hold(**{**base, **known})


def charge(state: str = "created", number: int = 11, **known: Any) -> Charge:
    base = {
        "payment_id": an_id(number), "reservation_id": an_id(1), "amount_minor": 990, "currency": "CNY",
        "state": state, "created_at": at(70), "serves": an_id(1) if state == "paid" else None,
        "paid_at": at(80) if state in {"paid", "refund_due", "refunded"} else None,
        "refunded_at": at(90) if state == "refunded" else None,
    }  # fmt: skip
    return Charge(**{**base, **known})


def reward(state: str = "promised", number: int = 21, **known: Any) -> Reward:
    base = {
        "grant_id": an_id(number), "kind": "points", "amount_minor": 100, "currency": "PTS", "state": state,
        "granted_at": at(81), "ended_at": None if state == "promised" else at(85),
    }  # fmt: skip
    return Reward(**{**base, **known})


def notice(kind: str = "payment.succeeded") -> Notice:
    return Notice(an_id(11), kind, at(80))


def attempt(outcome: str = "paid", number: int = 1) -> Try:
    return Try(an_id(21), number, outcome, at(82), None if outcome == "unknown" else at(84))
