"""What the gateway answers: plain documents, amounts in integer minor units, times as RFC 3339 UTC."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from flashsale.facts import PaymentHandle, Reservation
from flashsale.sales import SaleFacts
from kit.clock import rfc3339
from rewards.grants import RewardFacts

Instant = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-11T00:00:00.000Z"]},
        mode="serialization",
    ),
]
AmountMinor = Annotated[int, Field(ge=0, description="Integer minor units of `currency`", examples=[19900])]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["CNY"])]
ReservationState = Literal["held", "confirmed", "released", "expired"]
Texts = dict[str, dict[str, str]]


class Answer(BaseModel):
    """An answer's document."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ItemAnswer(Answer):
    """One scarce thing of a sale."""

    sku: str
    price_minor: AmountMinor
    total: int
    per_user_limit: int
    texts: Texts = Field(description="Language → texts for people (title, description)")


class SaleAnswer(Answer):
    """A sale; the same for everybody."""

    sale_id: str
    campaign_id: str
    opens_at: Instant
    closes_at: Instant
    hold_seconds: int = Field(description="How long a reservation is held for its payment")
    currency: Currency
    texts: Texts = Field(description="Language → texts for people (title, description, rules)")
    rules: dict[str, Any] = Field(description="The rules as structure: admission rate, rewards")
    revision: int
    items: list[ItemAnswer]

    @classmethod
    def of(cls, sale: SaleFacts) -> "SaleAnswer":
        return cls(
            sale_id=sale.sale_id,
            campaign_id=sale.campaign_id,
            opens_at=sale.opens_at,
            closes_at=sale.closes_at,
            hold_seconds=sale.hold_seconds,
            currency=sale.currency,
            texts=sale.texts,
            rules=sale.shown_rules,
            revision=sale.revision,
            items=[ItemAnswer.model_validate(item) for item in sale.items],
        )


class SalesAnswer(Answer):
    """Every sale, the next to open first."""

    sales: list[SaleAnswer]


class LotteryAnswer(Answer):
    """The facts of the lottery; null in a room that is first come, first served."""

    commitment: str | None
    seed: str | None
    size: int | None


class QueueAnswer(Answer):
    """The waiting room; the same for everybody."""

    sale_id: str
    state: Literal["scheduled", "prequeue", "open", "paused", "sold_out", "ended"]
    opens_at: Instant
    closes_at: Instant
    frontier: int = Field(description="Positions below it may enter")
    issued: int = Field(description="Positions below it have been handed out")
    gaps: list[tuple[int, int]] = Field(description="[from, to) each: positions that nobody holds")
    rate_per_second: int
    stock: dict[str, Literal["plenty", "some", "few", "none", "unknown"]] = Field(
        description="sku → how much is left"
    )
    lottery: LotteryAnswer
    next_poll_seconds: int = Field(description="When to ask again")
    stale: bool = Field(description="The view is older than it should be")
    server_time: Instant


class TicketAnswer(Answer):
    """A place in the waiting room."""

    ticket: str
    position: int


class AdmissionAnswer(Answer):
    """The right to buy until `expires_at`."""

    admission: str
    expires_at: Instant
    position: int


class ReservationAnswer(Answer):
    """A reservation as PostgreSQL has it."""

    reservation_id: UUID
    sale_id: str
    sku: str
    quantity: int
    amount_minor: AmountMinor
    currency: Currency
    state: ReservationState
    end_reason: Literal["paid", "by_user", "hold_expired", "late_payment"] | None
    held_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    regrant_of: UUID | None = Field(description="The ended hold whose late payment this one serves")
    regranted_as: UUID | None = Field(description="The reservation that serves this one's late payment")

    @classmethod
    def of(cls, reservation: Reservation) -> "ReservationAnswer":
        return cls.model_validate(reservation)


class ReservationsAnswer(Answer):
    """The newest reservations of a user, newest first."""

    reservations: list[ReservationAnswer]


class PaymentAnswer(Answer):
    """Where to pay. `pay_url` is empty where nothing has to be paid any more."""

    payment_id: UUID
    reservation_id: UUID
    pay_url: str
    amount_minor: AmountMinor
    currency: Currency
    state: Literal["created", "paid", "refused", "refund_due", "refunded"]

    @classmethod
    def of(cls, handle: PaymentHandle) -> "PaymentAnswer":
        return cls.model_validate(handle)


class RewardAnswer(Answer):
    """A reward earned by a confirmed reservation; `paid` once the provider has said so."""

    grant_id: UUID
    sale_id: str
    rule_id: str
    reservation_id: UUID
    kind: Literal["points", "coupon", "cash"]
    amount_minor: AmountMinor
    currency: Currency
    coupon_code: str | None
    state: Literal["promised", "paid", "blocked"]
    reason: str | None
    granted_at: Instant
    ended_at: Instant | None

    @classmethod
    def of(cls, reward: RewardFacts) -> "RewardAnswer":
        return cls.model_validate(reward)


class RewardsAnswer(Answer):
    """What a user has earned, newest first."""

    rewards: list[RewardAnswer]


class NoticeAnswer(Answer):
    """What a stored notice led to."""

    outcome: str


class SignInAnswer(Answer):
    """A user token."""

    token: str
    expires_at: Instant
