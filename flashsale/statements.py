"""The room's hand-written SQL, read once from `sql/`."""

from importlib import resources
from typing import Final

from sqlalchemy import text

from kit.statements import Statement


def statement(sql: str, name: str | None = None) -> Statement:
    return Statement(text(sql), name)


def _read(name: str) -> Statement:
    sql = resources.files("flashsale").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return statement(sql, f"flashsale/sql/{name}.sql")


LOCK_BUCKETS: Final = _read("lock_buckets")
STANDING: Final = _read("standing")
INSERT_HOLDS: Final = _read("insert_holds")
TAKE_UNITS: Final = _read("take_units")
RETURN_UNITS: Final = _read("return_units")
FREE_UNITS: Final = _read("free_units")
LEND_UNITS: Final = _read("lend_units")
EXPIRE_DUE: Final = _read("expire_due")
