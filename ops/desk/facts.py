"""What is known about one shopper in one sale: plain facts from every room, without I/O. What the rules reason on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SaleWindow:
    """The sale that is asked about. `titles` by language tag."""

    sale_id: str
    campaign_id: str
    opens_at: datetime
    closes_at: datetime
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """The waiting room and the shopper's place in it; `position` None: none was ever taken.

    `reachable` False: the waiting room could not be asked, so nothing is known about a place.
    """

    position: int | None = None
    frontier: int = 0
    paused: bool = False
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation. state: held | confirmed | released | expired."""

    reservation_id: UUID
    sku: str
    quantity: int
    amount_minor: int
    currency: str
    state: str
    held_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    regrant_of: UUID | None = None
    admitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment. state: created | paid | refused | refund_due | refunded."""

    payment_id: UUID
    reservation_id: UUID
    amount_minor: int
    currency: str
    state: str
    created_at: datetime
    reason: str | None = None
    serves: UUID | None = None
    paid_at: datetime | None = None
    refunded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What the provider told us about a payment, and when it reached us."""

    payment_id: UUID
    kind: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reward:
    """A grant. state: promised | paid | blocked."""

    grant_id: UUID
    kind: str
    amount_minor: int
    currency: str
    state: str
    granted_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """One numbered attempt to pay a grant. outcome: unknown | paid | declined."""

    grant_id: UUID
    number: int
    outcome: str
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShopperFacts:
    """Everything about one shopper in one sale at `now`.

    `sold_out`: no unit of any item is free. `reward_open`: a confirmation of theirs has not been judged yet.
    """

    sale: SaleWindow
    now: datetime
    line: Line = field(default_factory=Line)
    sold_out: bool = False
    reward_open: bool = False
    holds: tuple[Hold, ...] = ()
    charges: tuple[Charge, ...] = ()
    notices: tuple[Notice, ...] = ()
    rewards: tuple[Reward, ...] = ()
    tries: tuple[Try, ...] = ()
