"""Every row of the house."""

from typing import Final

from ops.faults.house import keepers, workers
from ops.faults.house.shared import close, close_houses
from ops.faults.matrix import FaultRow

__all__ = ["ROWS", "close", "close_houses"]

ROWS: Final[tuple[FaultRow, ...]] = (*workers.ROWS, *keepers.ROWS)
