"""Its tables, in a schema of their own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, MetaData, Text, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(schema="bench_classic")


class Item(Base):
    __tablename__ = "items"
    __table_args__ = (CheckConstraint("taken <= total"),)

    sale_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sku: Mapped[str] = mapped_column(Text, primary_key=True)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[int] = mapped_column(BigInteger, default=0)
    per_user_limit: Mapped[int]


class Purchase(Base):
    __tablename__ = "purchases"
    __table_args__ = (UniqueConstraint("sale_id", "user_id", "idempotency_key"),)

    reservation_id: Mapped[UUID] = mapped_column(primary_key=True)
    sale_id: Mapped[str] = mapped_column(Text)
    sku: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text, index=True)
    quantity: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    idempotency_key: Mapped[str] = mapped_column(Text)
    held_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
