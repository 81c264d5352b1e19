"""Memory is counted a process tree at a time, and shared pages once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ops.run.memory import MemoryWatch, pss_bytes

MIB = 1024 * 1024
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "print(child.pid, flush=True)\n"
    "sys.stdin.read()\n"
)
CHILD = "import sys; held = bytearray(b'x') * (64 << 20); print('held', flush=True); sys.stdin.read()"


@contextmanager
def _family() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        yield parent.pid, int(parent.stdout.readline())


def test_a_process_counts_with_its_children() -> None:
    with _family() as (parent, child):
        watch = MemoryWatch(lambda: {"family": parent})
        watch.sample()
        assert watch.peaks["family"] > 64 * MIB
        assert pss_bytes(child) > 64 * MIB
        assert watch.peak_total == watch.peaks["family"]


def test_a_child_with_a_name_of_its_own_counts_there_and_only_there() -> None:
    with _family() as (parent, child):
        watch = MemoryWatch(lambda: {"parent": parent, "child": child})
        watch.sample()
        assert watch.peaks["child"] > 64 * MIB > watch.peaks["parent"]


def test_the_peak_stays_when_the_process_is_gone() -> None:
    roots = {"me": os.getpid()}
    watch = MemoryWatch(lambda: roots)
    watch.sample()
    peak = watch.peak_total
    roots["me"] = 0
    watch.sample()
    assert watch.peak_total == peak > 0


def test_a_process_that_is_gone_weighs_nothing() -> None:
    assert pss_bytes(999_999_999) == 0
