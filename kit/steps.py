"""The steps of this process, numbered as they are reached: where a sweep lets it die, or raise.

The ground itself calls `reached` before and after each script, SQL file, flush, commit, provider call, message and
actor, so whatever goes through it is a step without anyone remembering. Armed only by `FLOODGATE_STEPS`:

    record:<file>           each step is written to the file, one a line
    kill:<kind/name#n>      the process ends itself by SIGKILL when it reaches that step for the n-th time
    raise:<kind/name#n>     `StepRaised` is raised there, once
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, currentframe
from types import FrameType
from typing import Final

import structlog

from kit.errors import StartRefused

log = structlog.get_logger()

VARIABLE: Final = "FLOODGATE_STEPS"
STEP: Final = re.compile(r"[a-z_.]+/\S+#[1-9]\d*")
_GROUND: Final = ("kit.", "contextlib", "asyncio.")  # whoever is named is above these


class StepRaised(Exception):
    """Raised at a step on purpose: code between this one and the next may fail in ways that nobody foresees."""


class Steps:
    """Counts the steps and does at each what it was armed for."""

    def __init__(self, at_step: Callable[[str], None]) -> None:
        self._at_step = at_step
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()  # a worker's actors and the bells reach theirs in threads

    def reach(self, kind: str, name: str) -> None:
        with self._lock:
            self._times[f"{kind}/{name}"] += 1
            step = f"{kind}/{name}#{self._times[f'{kind}/{name}']}"
        self._at_step(step)


armed: Steps | None = None


def reached(kind: str, name: str | None = None) -> None:
    """Says that this process is at a step; costs one comparison where nothing is armed.

    Without a name the step is called by the function above the ground that takes it.
    """
    if armed is not None:
        armed.reach(kind, name or _caller())


def arm(wanted: str) -> None:
    """Arms this process for what `FLOODGATE_STEPS` asks; empty is unarmed. Raises `StartRefused` for anything else."""
    global armed  # noqa: PLW0603 - one process, one sweep; asked once at the start
    armed = Steps(_read(wanted)) if wanted else None


def _read(wanted: str) -> Callable[[str], None]:
    what, _, rest = wanted.partition(":")
    if what == "record" and rest:
        return _recorder(rest)
    if what == "kill" and STEP.fullmatch(rest):
        return lambda step: _kill_self() if step == rest else None
    if what == "raise" and STEP.fullmatch(rest):
        return lambda step: _raise(step) if step == rest else None
    raise StartRefused(
        f"{VARIABLE} must be record:<file>, kill:<kind/name#n> or raise:<kind/name#n>, not {wanted!r}; "
        "unset it: it is for fault sweeps alone."
    )


def _recorder(path: str) -> Callable[[str], None]:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise StartRefused(f"{VARIABLE}: {path} cannot be written ({error.strerror}).") from error
    return lambda step: _write(file, step)


def _write(file: int, step: str) -> None:
    os.write(file, f"{step}\n".encode())


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # nothing after this step may happen while the signal is on its way to this thread


def _raise(step: str) -> None:
    log.warning("step_raised", step=step)
    raise StepRaised(step)


def _caller() -> str:
    """The first function above the ground, as `module.function`; a context that it entered is not who acts."""
    frame: FrameType | None = currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(_GROUND) and not frame.f_code.co_flags & CO_ASYNC_GENERATOR:
            return f"{module}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "unknown"
