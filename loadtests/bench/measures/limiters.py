"""The limits as a library: what one process with one core decides in a second, beside what one would otherwise install.

Each is its own process on the server's core, with Redis on the other; throttled-py is given the better of its two ways
of being called. Nothing counts in which a check was refused: nobody is ever near a limit here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.bench.launch import ToldNothing, last_words, python
from loadtests.bench.rows import Goal, Row, missing_row, ratio_row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene
from loadtests.bench.servers import WITHIN

THEIRS: Final = "loadtests.bench.baselines.limiters"
START_SECONDS_MAX: Final = 30.0
PACKAGE: Final = {
    "throttled-py": "throttled-py",
    "throttled-py-async": "throttled-py",
    "limits": "limits",
    "limits-async": "limits",
}
AGAINST: Final = "(d) throttled-py, one limit, the better of its two ways"
GOALS: Final = {
    "limiter_one": ("limiter, one limit a call", "ours-1", Goal(1.5)),
    "limiter_five": ("limiter, five limits a call", "ours-5", Goal(1.0)),
    "limiter_limits": ("limiter, one limit a call, against limits", "ours-1", Goal(None)),
}
ROWS: Final = tuple(GOALS)
Rates = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """One way of asking for limits, as a process."""

    name: str
    words: Sequence[str]


def rows(scene: Scene, runner: Runner) -> list[Row]:
    wanted = [row_id for row_id in GOALS if scene.options.wants(row_id)]
    if not wanted:
        return []
    url, seconds = scene.environment["REDIS_LIMITS_URL"], str(scene.options.seconds)
    callers = [
        Caller(f"ours-{count}", python("-m", WITHIN, "limiter", str(count), seconds)) for count in (1, 5)
    ]
    callers += [
        Caller(name, python("-m", THEIRS, name, url, seconds))
        for name, package in PACKAGE.items()
        if package not in scene.missing
    ]
    rates: dict[str, list[float | None]] = {caller.name: [] for caller in callers}
    for number in range(scene.options.rounds):
        for caller in callers if number % 2 == 0 else callers[::-1]:
            runner.show(f"limiter: {caller.name}, round {number + 1} of {scene.options.rounds}")
            rates[caller.name].append(_once(caller, scene, runner))
    return [_row(row_id, rates, scene) for row_id in wanted]


def _once(caller: Caller, scene: Scene, runner: Runner) -> float | None:
    """Checks a second; None when the run does not count."""
    try:
        told = last_words(
            caller.words,
            scene.environment,
            core=scene.layout.server,
            seconds_max=START_SECONDS_MAX + scene.options.seconds,
        )
    except ToldNothing as error:
        runner.refused.append(f"limiter {caller.name}: {error}")
        return None
    if told["allowed"] != told["checks"]:
        runner.refused.append(
            f"limiter {caller.name}: {told['allowed']} of {told['checks']} were allowed by Redis"
        )
        return None
    return float(told["checks"]) / float(told["seconds"])


def _better(rates: Rates, *names: str) -> list[float | None]:
    """Round by round the faster of the ways that a library can be called."""
    there = [rates[name] for name in names if name in rates]
    return [
        max((each for each in together if each is not None), default=None)
        for together in zip(*there, strict=True)
    ]


def _row(row_id: str, rates: Rates, scene: Scene) -> Row:
    what, ours, goal = GOALS[row_id]
    package = "limits" if row_id == "limiter_limits" else "throttled-py"
    against = (
        "(d) limits, sliding window counter (it has no token bucket)" if package == "limits" else AGAINST
    )
    if package in scene.missing:
        why = f"{package} is not here: {scene.missing[package]}"
        return missing_row(row_id, what, goal, against=against, why=why)
    theirs = _better(rates, package, f"{package}-async")
    facts = {name: [None if rate is None else round(rate) for rate in each] for name, each in rates.items()}
    return ratio_row(
        row_id, what, goal, rates[ours], theirs, rounds=scene.options.rounds, against=against, facts=facts
    )
