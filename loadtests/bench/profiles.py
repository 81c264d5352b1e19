"""Where a server's time goes, sampled while it is saturated, in runs that are not timed.

perf sees the kernel and the libraries, py-spy the Python functions; what is not installed is named with its install line.
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtests.bench.cores import families
from loadtests.bench.runs import Runner
from loadtests.bench.subjects import Subject

SECONDS: Final = 3.0
SHOWN: Final = 14
SAMPLES_A_SECOND: Final = 500
INSTALL: Final = {
    "perf": "apt-get install linux-perf",
    "py-spy": "it is no Python process, or pip install py-spy",
}


def profile(subject: Subject, runner: Runner) -> str:
    """Shares of the server's time, by library and by Python function."""
    pid = next(iter(subject.pids.values()))
    with tempfile.TemporaryDirectory(prefix="bench-profile-") as name:
        folder = Path(name)
        samplers = _start(pid, folder)
        try:
            runner.once(subject, SECONDS)
        finally:
            for sampler in samplers:
                sampler.wait(timeout=30)
        by_library, by_function = _libraries(folder / "perf"), functions(_read(folder / "py-spy"))
    parts = []
    for tool, what, shares in (
        ("perf", "by library", by_library),
        ("py-spy", "by Python function", by_function),
    ):
        said = shares or [f"nothing from {tool}: {INSTALL[tool]}"]
        parts += [f"{what} ({tool})", *(f"  {line}" for line in said)]
    return "\n".join(parts)


def _start(pid: int, folder: Path) -> list["subprocess.Popen[bytes]"]:
    seconds, family = str(int(SECONDS)), ",".join(map(str, families([pid])[pid]))
    commands = {
        "perf": ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-p", family, "-o",
                 str(folder / "perf"), "--", "sleep", seconds],
        "py-spy": [_py_spy(), "record", "-p", str(pid), "-d", seconds, "-r", str(SAMPLES_A_SECOND), "-f", "raw",
                   "--nonblocking", "-o", str(folder / "py-spy")],
    }  # fmt: skip
    return [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in commands.values()
        if words[0] and shutil.which(words[0])
    ]


def _py_spy() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    return shutil.which("py-spy") or (str(beside) if beside.exists() else "")


def _libraries(file: Path) -> list[str]:
    if not file.exists():
        return []
    words = ["perf", "report", "-i", str(file), "--stdio", "-q", "--sort", "dso"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    lines = [" ".join(line.split()) for line in said.splitlines() if "%" in line]
    return lines[:SHOWN]


def _read(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []


def functions(folded: Sequence[str]) -> list[str]:
    """The functions at the top of the stacks, the busiest first; a line is `frame;frame;… count`."""
    own: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rpartition(" ")
        if not count.isdigit():
            continue
        own[_without_line(stack.rpartition(";")[2])] += int(count)
    total = sum(own.values())
    return [f"{share / total:6.1%} {name}" for name, share in own.most_common(SHOWN)] if total else []


def _without_line(frame: str) -> str:
    """`tell (gateway/lane/turns.py:41)` → `tell (gateway/lane/turns.py)`."""
    name, _, place = frame.partition(" (")
    return f"{name} ({place.rpartition(':')[0]})" if place else name
