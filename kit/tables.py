"""How every room declares its tables: one schema a room, constraint names that a migration can rely on."""

from datetime import datetime
from typing import Final

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.orm import Mapped, mapped_column

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def room_metadata(schema: str) -> MetaData:
    """The metadata of one room; no foreign key leaves it."""
    return MetaData(schema=schema, naming_convention=NAMING)


def instant(*, nullable: bool = False, default_now: bool = False) -> Mapped[datetime]:
    """A timestamptz column; `default_now` takes PostgreSQL's clock, the only one that decides."""
    server_default = func.now() if default_now else None
    return mapped_column(DateTime(timezone=True), nullable=nullable, server_default=server_default)
