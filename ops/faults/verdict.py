"""When a row of the matrix holds, and why not. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from ops.faults.matrix import FaultRow, Found

GOODPUT_RATIO_MIN: Final = 0.95  # of what it was before the fault, within 30 s of its end
BROKE: Final = "trial_"  # how the violation of a trial begins that did not get as far as its judge
NOT_INJECTED: Final = "not_injected: nothing shows that the fault took place"
VIOLATIONS_TOLD: Final = 5  # a trial: enough to start looking


@dataclass(frozen=True, slots=True)
class Trialled:
    """One trial: what it found, how long that took, and at which try: a fault that does not take place is sought again."""

    seed: int
    found: Found
    seconds: float
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """All trials of a row. `control` is what the row without its guard found, None where it has no control, and
    `control_seeds` how many were asked for it; `not_run` says why this machine cannot hold the row."""

    row: FaultRow
    trials: Sequence[Trialled]
    control: Found | None = None
    not_run: str = ""
    control_seeds: int = 0

    @property
    def broken(self) -> dict[int, list[str]]:
        """By seed: what was wrong with each trial that was not as it must be."""
        return {each.seed: wrong for each in self.trials if (wrong := list(faults_of(each.found)))}

    @property
    def control_is_blind(self) -> bool:
        """Whether the guard was taken away and nothing was found: then the row proves nothing."""
        return self.row.control is not None and not (self.control is not None and is_caught(self.control))

    @property
    def holds(self) -> bool:
        return bool(self.trials) and not self.not_run and not self.broken and not self.control_is_blind

    @property
    def sought_again(self) -> int:
        """Trials whose fault did not take place at the first try."""
        return sum(each.tries > 1 for each in self.trials)

    @property
    def recoveries_seconds(self) -> list[float]:
        return [
            each.found.recovery_seconds for each in self.trials if each.found.recovery_seconds is not None
        ]

    @property
    def recovery_p50_seconds(self) -> float | None:
        return median(self.recoveries_seconds) if self.recoveries_seconds else None

    @property
    def recovery_max_seconds(self) -> float | None:
        return max(self.recoveries_seconds, default=None)

    @property
    def goodput_ratio_min(self) -> float | None:
        """The worst trial's goodput after the fault against before."""
        return min(
            (ratio for each in self.trials if (ratio := goodput_ratio(each.found)) is not None), default=None
        )


def goodput_ratio(found: Found) -> float | None:
    """After the fault against before; None where the trial did not measure it."""
    before, after = found.goodput_before_per_second, found.goodput_after_per_second
    return None if before is None or after is None or before <= 0 else after / before


def is_caught(control: Found) -> bool:
    """Whether the judge found something. A trial that broke by itself shows nothing."""
    return any(not violation.startswith(BROKE) for violation in control.violations)


def faults_of(found: Found) -> Iterator[str]:
    """Everything that makes a trial one that does not hold, in words."""
    if not found.injected:
        yield NOT_INJECTED
    yield from found.violations[:VIOLATIONS_TOLD]
    if len(found.violations) > VIOLATIONS_TOLD:
        yield f"and {len(found.violations) - VIOLATIONS_TOLD} more violations"
    if found.unsold_units:
        yield f"unsold_units: {found.unsold_units} lay free and could not be bought"
    ratio = goodput_ratio(found)
    if ratio is not None and ratio < GOODPUT_RATIO_MIN:
        yield f"goodput: {ratio:.0%} of what it was before, at least {GOODPUT_RATIO_MIN:.0%} is asked for"
