"""Every row of the house."""

from typing import Final

from ops.faults.house import (
    broker,
    clocks,
    endings,
    keepers,
    keyuse,
    poison,
    replays,
    rights,
    rollouts,
    stalls,
    storms,
    workers,
)
from ops.faults.house.shared import close
from ops.faults.matrix import FaultRow

__all__ = ["ROWS", "close"]

ROWS: Final[tuple[FaultRow, ...]] = (
    *workers.ROWS,
    *keepers.ROWS,
    *endings.ROWS,
    *stalls.ROWS,
    *broker.ROWS,
    *poison.ROWS,
    *replays.ROWS,
    *storms.ROWS,
    *clocks.ROWS,
    *rights.ROWS,
    *keyuse.ROWS,
    *rollouts.ROWS,
)
