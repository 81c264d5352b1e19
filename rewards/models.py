"""Tables of the schema `rewards`: rules, grants, payouts with their attempts, and the ledger."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kit.tables import instant, room_metadata


class Base(DeclarativeBase):
    metadata = room_metadata("rewards")


class Rule(Base):
    """What a confirmed reservation of a sale earns. `first_n` bounds how many grants there will ever be."""

    __tablename__ = "rules"
    __table_args__ = (
        CheckConstraint("kind IN ('points','coupon','cash')", name="kind"),
        CheckConstraint("amount_minor >= 1", name="amount"),
        CheckConstraint(
            "granted >= 0 AND (first_n IS NULL OR granted <= first_n)", name="never_over_granted"
        ),
    )

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    rule_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)  # points, coupons (1 each) or minor units of money
    currency: Mapped[str] = mapped_column(Text)  # PTS, CPN or the sale's currency
    coupon_code: Mapped[str | None] = mapped_column(Text)
    first_n: Mapped[int | None]
    budget_minor: Mapped[int] = mapped_column(BigInteger)
    granted: Mapped[int] = mapped_column(server_default=text("0"))


class Grant(Base):
    """A reward earned by one confirmed reservation under one rule: promised → paid | blocked.

    blocked is a named state with a reason, an owner and an age; it never means that the row was forgotten.
    """

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("state IN ('promised','paid','blocked')", name="state"),
        UniqueConstraint("rule_id", "reservation_id"),
        Index("ix_grants_user", "user_id"),
    )

    grant_id: Mapped[UUID] = mapped_column(primary_key=True)
    sale_id: Mapped[str] = mapped_column(Text)
    rule_id: Mapped[str] = mapped_column(Text)
    reservation_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    granted_at: Mapped[datetime] = instant(default_now=True)
    ended_at: Mapped[datetime | None] = instant(nullable=True)


class Payout(Base):
    """The paying of one grant. The row is the truth; `ring_at` says when the doorbell is due (again)."""

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("state IN ('due','paid','blocked')", name="state"),
        UniqueConstraint("grant_id"),
        Index("ix_payouts_due", "ring_at", postgresql_where=text("state = 'due'")),
    )

    payout_id: Mapped[UUID] = mapped_column(primary_key=True)
    grant_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    ring_at: Mapped[datetime] = instant(default_now=True)
    created_at: Mapped[datetime] = instant(default_now=True)
    ended_at: Mapped[datetime | None] = instant(nullable=True)


class Attempt(Base):
    """One numbered try, committed before the provider is called, with frozen parameters.

    A new number exists only after the provider has said that the one before had no effect.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint("outcome IN ('unknown','paid','declined')", name="outcome"),
        CheckConstraint("number >= 1", name="number"),
        # At most one success a payout, whatever the code above believes.
        Index("uq_attempts_paid", "payout_id", unique=True, postgresql_where=text("outcome = 'paid'")),
    )

    payout_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    provider_key: Mapped[str] = mapped_column(Text, unique=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    outcome: Mapped[str] = mapped_column(Text)  # unknown until the provider has answered
    provider_reference: Mapped[str | None] = mapped_column(Text)
    decline_reason: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = instant(default_now=True)
    ended_at: Mapped[datetime | None] = instant(nullable=True)


class PayoutNotice(Base):
    """A payout webhook of the provider, stored before it is answered; it rings the doorbell, no more."""

    __tablename__ = "payout_notices"

    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    provider_key: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = instant(default_now=True)


class Account(Base):
    """A ledger account: `funding/<sale>/<rule>`, `budget/…`, `promised/…`, `paid/…`. Only funding may be negative."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("kind IN ('funding','budget','promised','paid')", name="kind"),
        CheckConstraint("kind = 'funding' OR balance_minor >= 0", name="never_below_zero"),
    )

    account_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    balance_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class Transfer(Base):
    """A movement between two accounts, append-only (a trigger refuses UPDATE and DELETE).

    `reason` + `subject` are unique: the same business fact moves money once.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("debit_account <> credit_account", name="two_sides"),
        UniqueConstraint("reason", "subject"),
    )

    transfer_id: Mapped[UUID] = mapped_column(primary_key=True)
    debit_account: Mapped[str] = mapped_column(Text, index=True)
    credit_account: Mapped[str] = mapped_column(Text, index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)  # funded | promised | paid | returned
    subject: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = instant(default_now=True)
