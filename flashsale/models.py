"""Tables of the schema `flashsale`. PostgreSQL is the ledger of stock: `taken` counts held and confirmed units."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kit.outbox import Outbox, outbox_table
from kit.tables import instant, room_metadata


class Base(DeclarativeBase):
    metadata = room_metadata("flashsale")


class Sale(Base):
    """One flash-sale window of a campaign; `texts` is {"zh-CN": {...}, "en": {...}} for people."""

    __tablename__ = "sales"
    __table_args__ = (
        CheckConstraint("closes_at > opens_at", name="window"),
        CheckConstraint("hold_seconds BETWEEN 5 AND 86400", name="hold"),
    )

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(Text)
    opens_at: Mapped[datetime] = instant()
    closes_at: Mapped[datetime] = instant()
    hold_seconds: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    texts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Facts of the sale file that other rooms own (rewards, rate), kept here only to be shown to shoppers.
    shown_rules: Mapped[dict[str, Any]] = mapped_column(JSONB)
    revision: Mapped[int]
    applied_at: Mapped[datetime] = instant(default_now=True)


class Item(Base):
    """One scarce thing as approved; its `total` is what its buckets have together."""

    __tablename__ = "items"
    __table_args__ = (
        CheckConstraint("per_user_limit >= 1 AND price_minor >= 0", name="sane"),
        CheckConstraint("buckets BETWEEN 1 AND 64", name="buckets"),
    )

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sku: Mapped[str] = mapped_column(Text, primary_key=True)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    per_user_limit: Mapped[int]
    buckets: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    texts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Bucket(Base):
    """A part of an item's stock with a lock of its own. Every user has one home bucket of an item, and each bucket lends
    what is free of it. `epoch` numbers the loads of Redis from this row; a claim of an older epoch is fenced."""

    __tablename__ = "buckets"
    __table_args__ = (
        # The last guard against overselling, whatever the code above it believes.
        CheckConstraint("taken >= 0 AND taken <= total", name="never_oversold"),
    )

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sku: Mapped[str] = mapped_column(Text, primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    total: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Reservation(Base):
    """A claim on stock. held → confirmed | released | expired, each hold ending once; the row is the acknowledgement.

    `regrant_of` names the ended hold whose late payment this row serves: it is born confirmed.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("state IN ('held','confirmed','released','expired')", name="state"),
        CheckConstraint("quantity >= 1 AND amount_minor >= 0", name="sane"),
        CheckConstraint("(state = 'held') = (ended_at IS NULL)", name="ended_once"),
        # The user first: so it also finds what a user has, and each hold has one index fewer to write.
        UniqueConstraint("user_id", "sale_id", "idempotency_key"),
        Index(
            "uq_reservations_regrant",
            "regrant_of",
            unique=True,
            postgresql_where=text("regrant_of IS NOT NULL"),
        ),
        Index("ix_reservations_due", "expires_at", postgresql_where=text("state = 'held'")),
        Index(
            "ix_reservations_item", "sale_id", "sku", postgresql_where=text("state IN ('held','confirmed')")
        ),
    )

    reservation_id: Mapped[UUID] = mapped_column(primary_key=True)
    sale_id: Mapped[str] = mapped_column(Text)
    sku: Mapped[str] = mapped_column(Text)
    bucket: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    user_id: Mapped[str] = mapped_column(Text)
    quantity: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    end_reason: Mapped[str | None] = mapped_column(Text)  # paid | by_user | hold_expired | late_payment
    held_at: Mapped[datetime] = instant(default_now=True)
    expires_at: Mapped[datetime] = instant()
    ended_at: Mapped[datetime | None] = instant(nullable=True)
    idempotency_key: Mapped[str] = mapped_column(Text)
    request_fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    admission_id: Mapped[UUID]
    admission_position: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(BigInteger)
    phone: Mapped[str | None] = mapped_column(Text)
    regrant_of: Mapped[UUID | None]


class Payment(Base):
    """One attempt of a shopper to pay a reservation at the provider; `payment_id` is the provider's idempotency key.

    created → paid | refused | refund_due → refunded; `flashsale.lifecycle` decides, `attempts` reads and writes its states.
    `serves` is the reservation that the money confirmed.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("state IN ('created','paid','refused','refund_due','refunded')", name="state"),
        # One live payment a reservation: a second click gets the first handle.
        Index(
            "uq_payments_live",
            "reservation_id",
            unique=True,
            postgresql_where=text("state IN ('created','paid')"),
        ),
        Index("ix_payments_refund_due", "refund_ring_at", postgresql_where=text("state = 'refund_due'")),
        Index("ix_payments_ask_at", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
        Index(
            "ix_payments_need_people", "created_at", postgresql_where=text("reason = 'payment_needs_people'")
        ),
    )

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    reservation_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    serves: Mapped[UUID | None]
    created_at: Mapped[datetime] = instant(default_now=True)
    paid_at: Mapped[datetime | None] = instant(nullable=True)
    refunded_at: Mapped[datetime | None] = instant(nullable=True)
    refund_ring_at: Mapped[datetime | None] = instant(nullable=True)
    # When the provider is asked next what became of it; NULL once it has said so, or people were called.
    ask_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), server_default=text("now() + interval '15 seconds'")
    )


class PaymentNotice(Base):
    """What the provider said of a payment: a webhook, stored before it is answered with 2xx, or the answer to a question.

    The key makes a repeat harmless.
    """

    __tablename__ = "payment_notices"

    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = instant(default_now=True)


outbox = Outbox(outbox_table(Base.metadata))
