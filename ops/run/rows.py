"""The rows of a run beside those of the invariants: time, memory, stock, and what was killed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ops.invariants.rows import Row
from ops.run.plan import BACK_SECONDS_MAX, POSTGRES_PRIMARY, REDIS, REDIS_MASTER, SIEGE, RunPlan
from ops.run.standing import Standing
from ops.run.strike import Struck

MIB: Final = 1024 * 1024
MEMORY_MIB_MAX: Final = 2048
DURATION_SECONDS_MAX: Final = 120  # for up to two thousand shoppers on two cores
SHOPPERS_IN_TIME: Final = 2000
SIEGE_SECONDS_MORE: Final = 60  # the gateway is away for a while five times
SECONDS_A_SHOPPER_MORE: Final = 0.03  # a crowd ten times as large arrives, waits and is judged for longer
# What a shopper may find where something was struck: news that came late, a place that Redis lost.
EXCUSED: Final = frozenset(
    {"confirmation_missing", "live_notice_missing", "place_changed", "refusal_never_arrived"}
)
_BACK: Final = {
    REDIS_MASTER: "its replica was elected and all stock open again, loaded into it under a new epoch",
    POSTGRES_PRIMARY: "its standby was promoted and transactions commit there",
}


@dataclass(slots=True)
class Findings:
    """What a run has seen of itself; what it could not see is None."""

    at_crowds_end: Standing | None = None
    at_rest: Standing | None = None
    crowd_exit: int | None = None
    crowd: Mapping[str, Any] = field(default_factory=dict)
    struck: Sequence[Struck] = ()


def run_rows(plan: RunPlan, found: Findings, *, duration_seconds: float, memory_bytes: int) -> list[Row]:
    """The rows, in the order in which a reader asks for them."""
    rows = [_duration(plan, duration_seconds), _memory(memory_bytes)]
    if plan.crowd:
        rows += [_taken(plan, found), _rest(found), _crowd(found), _faults(plan, found)]
        rows += [_back(name, found) for name in plan.kill]
        rows += _siege(plan, found) if plan.besieged else []
    return rows


def _duration(plan: RunPlan, duration_seconds: float) -> Row:
    more = SECONDS_A_SHOPPER_MORE * max(0, plan.crowd - SHOPPERS_IN_TIME)
    goal = round(DURATION_SECONDS_MAX + more + (SIEGE_SECONDS_MORE if plan.besieged else 0))
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


def _faults(plan: RunPlan, found: Findings) -> Row:
    """A killed gateway owes nobody an answer, and a flushed Redis no place: where those were, only the rest counts."""
    struck = bool(plan.kill or plan.besieged)
    errors = found.crowd.get("errors")
    count = None
    if isinstance(errors, dict):
        count = sum(number for name, number in errors.items() if not (struck and _is_excused(name)))
    what = "answers that no shopper should have got" + (", whatever was struck" if struck else "")
    return Row("crowd_faults", what, count, "answers", "= 0", count == 0)


def _is_excused(error: str) -> bool:
    return error in EXCUSED or error.endswith(("no answer", "503"))


def _back(name: str, found: Findings) -> Row:
    seconds = _slowest([each for each in found.struck if each.name == name and each.is_proven])
    return Row(
        f"killed_and_back_{name}",
        _BACK.get(name, f"the killed {name} was started again and ready"),
        seconds,
        "s",
        f"<= {BACK_SECONDS_MAX:.0f}",
        seconds is not None and seconds <= BACK_SECONDS_MAX,
    )


def _siege(plan: RunPlan, found: Findings) -> list[Row]:
    """What was struck in mid-sale: counted only with its proof, and while units were still to be confirmed."""
    strokes = [each for each in found.struck[len(plan.kill) :] if each.is_proven and _in_mid_sale(plan, each)]
    flushed = [each for each in strokes if each.name == REDIS]
    killed = [each for each in strokes if each.name != REDIS]
    return [
        _count(
            "redis_flushed", "Redis emptied in mid-sale, all stock then loaded under a higher epoch", flushed
        ),
        _count(
            "gateway_killed", "gateway killed in mid-sale, then another process ready in its place", killed
        ),
        _within("redis_loaded_again", "the longest until all stock was open again", flushed),
        _within("gateway_back", "the longest until the gateway was ready again", killed),
    ]


def _in_mid_sale(plan: RunPlan, struck: Struck) -> bool:
    return (
        struck.units_taken is not None
        and struck.units_confirmed is not None
        and (struck.units_taken > 0 and struck.units_confirmed < plan.units)
    )


def _count(row_id: str, what: str, strokes: Sequence[Struck]) -> Row:
    goal = sum((name == REDIS) == (row_id == "redis_flushed") for name in SIEGE)
    return Row(row_id, what, len(strokes), "times", f"= {goal}", len(strokes) == goal)


def _within(row_id: str, what: str, strokes: Sequence[Struck]) -> Row:
    seconds = _slowest(strokes)
    holds = seconds is not None and seconds <= BACK_SECONDS_MAX
    return Row(row_id, what, seconds, "s", f"<= {BACK_SECONDS_MAX:.0f}", holds)


def _slowest(strokes: Sequence[Struck]) -> float | None:
    seconds = [each.back_after_seconds for each in strokes if each.back_after_seconds is not None]
    return round(max(seconds), 1) if seconds else None
