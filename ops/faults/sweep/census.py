"""Whether the sweep reaches everything: each script and each SQL file of the rooms is a step, or says here why not."""

from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

PACKAGES: Final = ("flashsale", "queueing", "rewards", "ops.keeper")

_LIMITS: Final = (
    "limits count requests; nothing sold or paid hangs on a count, and a lost one favours the shopper"
)
EXCUSED: Final[Mapping[str, str]] = {
    "queueing/limits/lua/decide.lua": _LIMITS,
    "queueing/limits/lua/lease.lua": _LIMITS,
}


def list_files() -> list[str]:
    """The paths of all scripts and SQL files of the rooms and of the keeper."""
    return sorted(
        path
        for package in PACKAGES
        for path in _walk(resources.files(package), package.replace(".", "/"))
        if path.endswith((".lua", ".sql"))
    )


def _walk(folder: Traversable, path: str) -> Iterable[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}/{entry.name}")
        else:
            yield f"{path}/{entry.name}"


def find_gaps(
    steps: Iterable[str], files: Iterable[str], excused: Iterable[str] = tuple(EXCUSED)
) -> list[str]:
    """What the record of a chain does not reach and nobody excuses, and excuses for what it does reach or is not there."""
    reached = {step.partition("/")[2].rpartition("#")[0] for step in steps}
    known, pardoned = set(files), set(excused)
    missing = [f"{path}: the sweep's chain never runs it" for path in sorted(known - reached - pardoned)]
    needless = [
        f"{path}: excused, and {_why(path in reached)}"
        for path in sorted(pardoned & reached | pardoned - known)
    ]
    return missing + needless


def _why(is_reached: bool) -> str:
    return "the chain runs it" if is_reached else "there is no such file"
