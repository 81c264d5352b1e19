"""What a row of the matrix is: a fault, how it is injected, and what one seeded trial of it found."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# room: the services of one process over real servers, behind wires that break. house: the real processes.
Stage = Literal["room", "house"]


class NotRun(Exception):
    """This machine cannot hold the row; the message says in one sentence what is missing. Not run is never called held."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a trial stands on. `folder` is the trial's own. In the room stage so is the database, migrated and empty, and
    both Redis are emptied before it; in the house stage all trials share one database and two Redis."""

    database_url: str
    redis_url: str
    broker_url: str
    folder: Path
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """What one trial found. `injected` says in one line what shows that the fault took place; empty means that it did
    not, and the trial does not count. `violations` are the judge's, by truth and subject.

    Seconds and rates are None where a row cannot have them.
    """

    injected: str
    violations: tuple[str, ...] = ()
    recovery_seconds: float | None = None
    goodput_before_per_second: float | None = None
    goodput_after_per_second: float | None = None
    unsold_units: int = 0


Trial = Callable[[Ground], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One row. `control` is the same trial with the guard removed, and must find a violation; a row without one is
    proven by what `Found.injected` says."""

    row_id: str  # "R1.flushed_in_mid_sale"
    what: str
    what_zh: str
    stage: Stage
    trial: Trial
    control: Trial | None = None

    @property
    def fault(self) -> str:
        """The id of the family: P1, R4, D2 and so on."""
        return self.row_id.partition(".")[0]
