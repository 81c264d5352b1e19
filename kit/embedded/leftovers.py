"""Servers that a killed run left behind: found by pid file, known again by their working folder, ended by pid.

A pid alone proves nothing: it may belong to somebody else by now. Redis and PostgreSQL work in the folder that holds
their files, so a process with that pid and that folder is ours, and nothing else is ever signalled.
"""

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from kit.errors import StartRefused

END_SECONDS_MAX: Final = (
    20.0  # a fast shutdown of PostgreSQL writes a checkpoint; after this the process is killed
)
LOCK: Final = "lock"
_POLL_SECONDS: Final = 0.05


def read_pid(pid_file: Path) -> int | None:
    """The process id in the first line of `pid_file`, None where there is none."""
    try:
        return int(pid_file.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def works_in(pid: int, folder: Path) -> bool:
    """Whether process `pid` is alive and its working folder is `folder`."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def end(pid: int, first: signal.Signals = signal.SIGTERM) -> None:
    """Asks process `pid` to end with `first`, waits, and kills it when it does not."""
    with suppress(ProcessLookupError):
        os.kill(pid, first)
        deadline = time.monotonic() + END_SECONDS_MAX
        while time.monotonic() < deadline:
            if _has_ended(pid):
                return
            time.sleep(_POLL_SECONDS)
        os.kill(pid, signal.SIGKILL)


def end_leftover(pid_file: Path, folder: Path, first: signal.Signals = signal.SIGTERM) -> bool:
    """Ends the process that `pid_file` names if it works in `folder`; whether there was one.

    The file goes too, but for a living process whose folder may not be read: its server may still be ours.
    """
    pid = read_pid(pid_file)
    ours = pid is not None and works_in(pid, folder)
    if ours and pid is not None:
        end(pid, first)
    if pid is None or ours or _has_ended(pid) or _folder_can_be_read(pid):
        pid_file.unlink(missing_ok=True)
    return ours


def _folder_can_be_read(pid: int) -> bool:
    try:
        Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return False
    return True


def _has_ended(pid: int) -> bool:
    """A zombie has ended: only its parent still has to read that."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in {"Z", "X"}


class FolderLock:
    """One run a folder: two would end each other's servers as leftovers."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file: TextIO | None = None

    def take(self) -> None:
        """Holds the folder until `free` or the end of this process. Raises `StartRefused` when another holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = read_pid(self._path)
            file.close()
            raise StartRefused(
                f"The folder {self._path.parent} is in use by process {pid}: stop that run first, or use another folder."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def free(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
