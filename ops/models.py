"""Tables of the schema `ops`: who leads which duty, and what staff did."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kit.tables import instant, room_metadata


class Base(DeclarativeBase):
    metadata = room_metadata("ops")


class Duty(Base):
    """One duty of the keeper. `fence` grows with each new leader; a write with an older one is refused."""

    __tablename__ = "duties"

    duty: Mapped[str] = mapped_column(Text, primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    leader: Mapped[str] = mapped_column(Text)
    led_since: Mapped[datetime] = instant(default_now=True)


class AuditEntry(Base):
    """What a member of staff did or looked up, written in the same transaction."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject"),)

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = instant(default_now=True)
