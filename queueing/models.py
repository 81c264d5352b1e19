"""Tables of the schema `queueing`: what the waiting room must remember when Redis forgets."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kit.tables import instant, room_metadata


class Base(DeclarativeBase):
    metadata = room_metadata("queueing")


class Room(Base):
    """The waiting room of one sale.

    `position_mark` is the durable mark: no position at or above it has been handed out, so after a loss of Redis
    counting goes on from it and no number is given twice. `issued` trails what was handed out by about a second;
    `gaps` are the ranges between the two that a loss of Redis left behind. `frontier`: positions below it may enter;
    it never falls.
    """

    __tablename__ = "rooms"
    __table_args__ = (
        CheckConstraint("rate_per_second BETWEEN 1 AND 1000000", name="rate"),
        CheckConstraint("frontier >= 0 AND position_mark >= 0", name="forward"),
    )

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    opens_at: Mapped[datetime] = instant()
    closes_at: Mapped[datetime] = instant()
    rate_per_second: Mapped[int]
    paused: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    frontier: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    position_mark: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    issued: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    gaps: Mapped[list[list[int]]] = mapped_column(JSONB, server_default=text("'[]'"))
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    updated_at: Mapped[datetime] = instant(default_now=True)
