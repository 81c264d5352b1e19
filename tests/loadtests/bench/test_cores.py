"""Processor time by who spent it, of children that have ended too."""

import subprocess
import sys

from loadtests.bench.cores import Layout, Meter

BUSY = "sum(number * number for number in range(2_000_000))"
# A process whose children do the work: one ends before it says so, and it lives on until its input ends.
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{BUSY}']); print(flush=True); sys.stdin.read()"


def test_the_work_of_a_child_that_has_ended_is_its_parents() -> None:
    layout = Layout.of({0, 1})
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        meter = Meter(layout, {"parent": parent.pid})
        meter.mark()
        parent.stdout.readline()
        meter.mark()
        assert meter.usage().by_who["parent"] > 0.02
        parent.stdin.close()
