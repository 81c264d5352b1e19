"""Every row of the matrix, in the order in which people read it, and how some of them are picked."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from kit.errors import StartRefused
from ops.faults.house import rows as house
from ops.faults.matrix import FaultRow
from ops.faults.rooms import (
    postgres_disk,
    postgres_lost,
    postgres_sick,
    postgres_wire,
    redis_lost,
    redis_returns,
    redis_sick,
    replicas,
)
from ops.faults.sweep import rows as sweep

ROWS: Final[tuple[FaultRow, ...]] = tuple(
    chain(
        redis_lost.ROWS,
        redis_returns.ROWS,
        replicas.ROWS,
        redis_sick.ROWS,
        postgres_lost.ROWS,
        postgres_wire.ROWS,
        postgres_sick.ROWS,
        postgres_disk.ROWS,
        sweep.ROWS,
        house.ROWS,
    )
)


def pick(rows: Sequence[FaultRow], only: str) -> list[FaultRow]:
    """Those whose id is, or begins with, one of the comma-separated `only`; all for an empty one. Raises `StartRefused`."""
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    for word in wanted:
        if not any(row.row_id.startswith(word) for row in rows):
            raise StartRefused(
                f"No row of the fault matrix begins with {word}; `floodgate faults --list` names them all."
            )
    return [row for row in rows if not wanted or row.row_id.startswith(tuple(wanted))]
