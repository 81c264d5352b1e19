"""Every row of the house."""

from typing import Final

from ops.faults.house import broker, clocks, endings, keepers, rollouts, security, stalls, storms, workers
from ops.faults.house.shared import close, close_houses
from ops.faults.matrix import FaultRow

__all__ = ["ROWS", "close", "close_houses"]

ROWS: Final[tuple[FaultRow, ...]] = (
    *workers.ROWS,
    *keepers.ROWS,
    *endings.ROWS,
    *stalls.ROWS,
    *broker.ROWS,
    *storms.ROWS,
    *clocks.ROWS,
    *security.ROWS,
    *rollouts.ROWS,
)
