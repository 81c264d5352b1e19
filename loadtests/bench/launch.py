"""Processes of a bench: started on their core, waited for, ended by id, and gone with the bench whatever becomes of it."""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

READY_SECONDS_MAX: Final = (
    180.0  # a gateway imports half a minute of Python on a busy core, longer where others use it
)
STOP_SECONDS_MAX: Final = 15.0
OPEN_FILES: Final = 20_000  # thousands of idle connections at both of their ends
ROOT: Final = Path(__file__).resolve().parents[2]
_DIE_WITH_PARENT: Final = 1


class DoesNotStart(Exception):
    """A process did not come up; its message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `ready` is asked until it says yes."""

    name: str
    words: Sequence[str]
    cores: Collection[int]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether `url` says 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a probe of our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running(program: Program, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, ready. Raises `DoesNotStart`."""
    log = folder / f"{program.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            program.words,
            cwd=ROOT,
            env={**os.environ, **program.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=settle(program.cores),  # noqa: PLW1509 - this process has one thread when it starts others
        )
    try:
        _wait_until_ready(program, process, log)
        yield process
    finally:
        end(process)


class ToldNothing(Exception):
    """A program that was to tell what it measured did not."""


def last_words(
    words: Sequence[str], environment: Mapping[str, str], *, core: int, seconds_max: float
) -> dict[str, Any]:
    """Runs a program on `core` to its end; the JSON object in the last line it printed. Raises `ToldNothing`."""
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            preexec_fn=settle({core}),
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ToldNothing(f"not done after {error.timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        raise ToldNothing(f"{error.stderr.strip().splitlines()[-1:]}") from error
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def finished(
    words: Sequence[str], environment: Mapping[str, str], *, seconds_max: float
) -> "subprocess.CompletedProcess[str]":
    """A command of ours run to its end, whatever that is. Raises `subprocess.TimeoutExpired`."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )


def settle(cores: Collection[int]) -> Callable[[], None]:
    """What a child does before it becomes its program: its cores, its open files, its end."""

    def settled() -> None:
        os.sched_setaffinity(0, cores)
        open_many_files()
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)

    return settled


def open_many_files() -> None:
    """As many sockets at once as a crowd has, as far as this process may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, waits, and kills it when it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not program.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise DoesNotStart(
                f"{program.name} does not start: {' / '.join(said) or 'it said nothing'} ({log})"
            )
        time.sleep(0.05)
