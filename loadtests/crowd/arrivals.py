"""When they come: a planned schedule, so that a slow system meets the same crowd as a fast one.

Half come before the opening, a spike with it, a tail after it. What an answer took is counted from the planned
instant too: a crowd that waits for the system before it sends would hide the very stall it is there to find.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from loadtests.crowd.personas import Persona, Shopper

EARLY_SHARE: Final = 0.55
SPIKE_SHARE: Final = 0.35
SPIKE_SECONDS_MEAN: Final = 0.8
SPIKE_SECONDS_MAX: Final = 4.0
TAIL_SECONDS: Final = 8.0
# Without a cap a large crowd would come within one second; the two cores it shares with the system bear about this.
PER_SECOND_MAX: Final = 500


def plan_arrivals(
    shoppers: Sequence[Shopper], *, seed: int, opens_in_seconds: float, per_second_max: int = PER_SECOND_MAX
) -> list[tuple[float, Shopper]]:
    """Each shopper with the second, counted from now, at which it comes; in order, never more than the cap."""
    dice = Random(f"arrivals:{seed}")
    opens = max(0.0, opens_in_seconds)
    wished = sorted(
        ((_wish(shopper, opens, dice), shopper) for shopper in shoppers),
        key=lambda pair: (pair[0], pair[1].number),
    )
    planned: list[tuple[float, Shopper]] = []
    earliest = 0.0
    for at, shopper in wished:
        arrives = max(at, earliest)
        earliest = arrives + 1 / per_second_max
        planned.append((arrives, shopper))
    return planned


def _wish(shopper: Shopper, opens: float, dice: Random) -> float:
    part = dice.random()
    if shopper.persona is Persona.LATECOMER or part >= EARLY_SHARE + SPIKE_SHARE:
        return opens + dice.uniform(1.0, 1.0 + TAIL_SECONDS)
    if part < EARLY_SHARE:
        return dice.uniform(0.0, opens)
    return opens + min(dice.expovariate(1 / SPIKE_SECONDS_MEAN), SPIKE_SECONDS_MAX)
