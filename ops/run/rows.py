"""The rows of a run beside those of the invariants: time, memory, stock, and what was killed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ops.invariants.rows import Row
from ops.run.plan import RunPlan
from ops.run.standing import Standing
from ops.run.strike import BACK_SECONDS_MAX, Struck

MIB: Final = 1024 * 1024
MEMORY_MIB_MAX: Final = 2048
DURATION_SECONDS_MAX: Final = 120  # for up to two thousand shoppers on two cores
SHOPPERS_IN_TIME: Final = 2000
SECONDS_A_SHOPPER_MORE: Final = 0.03  # a crowd ten times as large arrives, waits and is judged for longer


@dataclass(slots=True)
class Findings:
    """What a run has seen of itself; what it could not see is None."""

    at_crowds_end: Standing | None = None
    at_rest: Standing | None = None
    crowd_exit: int | None = None
    crowd: Mapping[str, Any] = field(default_factory=dict)
    struck: Struck | None = None


def run_rows(plan: RunPlan, found: Findings, *, duration_seconds: float, memory_bytes: int) -> list[Row]:
    """The rows, in the order in which a reader asks for them."""
    rows = [_duration(plan, duration_seconds), _memory(memory_bytes)]
    if plan.crowd:
        rows += [_taken(plan, found), _rest(found), _crowd(found)]
        if plan.kill is None:
            rows.append(_faults(found))
    if plan.kill is not None:
        rows.append(_back(plan, found))
    return rows


def _duration(plan: RunPlan, duration_seconds: float) -> Row:
    goal = round(DURATION_SECONDS_MAX + SECONDS_A_SHOPPER_MORE * max(0, plan.crowd - SHOPPERS_IN_TIME))
    seconds = round(duration_seconds, 1)
    return Row("duration_seconds", "from start to report", seconds, "s", f"<= {goal}", seconds <= goal)


def _memory(memory_bytes: int) -> Row:
    mib = round(memory_bytes / MIB)
    return Row(
        "memory_mib",
        "all processes together at their largest, shared pages counted once",
        mib,
        "MiB",
        f"<= {MEMORY_MIB_MAX}",
        0 < mib <= MEMORY_MIB_MAX,
    )


def _taken(plan: RunPlan, found: Findings) -> Row:
    taken = None if found.at_crowds_end is None else found.at_crowds_end.units_taken
    return Row(
        "units_held_or_confirmed",
        "units held or confirmed when the crowd had gone",
        taken,
        "units",
        f"= {plan.units}",
        taken == plan.units,
    )


def _rest(found: Findings) -> Row:
    under_way = None if found.at_rest is None else found.at_rest.under_way
    return Row(
        "under_way_at_rest",
        "holds, refunds, events, payouts and charges still on their way at the end",
        under_way,
        "things",
        "= 0",
        under_way == 0,
    )


def _crowd(found: Findings) -> Row:
    return Row(
        "crowd_complete",
        "the crowd's exit code: every shopper came to an end",
        found.crowd_exit,
        "code",
        "= 0",
        found.crowd_exit == 0,
    )


def _faults(found: Findings) -> Row:
    """Only where nothing was killed: a killed gateway owes nobody an answer."""
    errors = found.crowd.get("errors")
    count = sum(errors.values()) if isinstance(errors, dict) else None
    return Row("crowd_faults", "answers that no shopper should have got", count, "answers", "= 0", count == 0)


def _back(plan: RunPlan, found: Findings) -> Row:
    seconds = None if found.struck is None else found.struck.back_after_seconds
    return Row(
        "killed_and_back",
        f"the killed {plan.kill} was started again and ready",
        None if seconds is None else round(seconds, 1),
        "s",
        f"<= {BACK_SECONDS_MAX:.0f}",
        seconds is not None and seconds <= BACK_SECONDS_MAX,
    )
