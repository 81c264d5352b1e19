"""Nobody looks at the clock but `kit/clock.py`.

The story: a deadline that was computed from a process's own clock ends on one machine and not on the other, and a
test of it must sleep. Deadlines come from PostgreSQL's `now()` or Redis TIME; Python takes a `Clock`.
The way out: take a `kit.clock.Clock` and call `clock.now()`; for durations use `time.monotonic()`.
The crowd stands outside: it is people with watches of their own.
"""

import ast
from collections.abc import Iterable
from typing import Final

from tests.house.tree import Source, program, sample

HOME: Final = "kit/clock.py"
READINGS: Final = {
    "datetime": frozenset({"now", "utcnow", "today"}),
    "date": frozenset({"today"}),
    "time": frozenset({"time", "time_ns"}),
}
IMPORTED: Final = frozenset({"time", "time_ns"})


def clock_readings(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path}:{line} reads the clock: take a kit.clock.Clock"
        for source in sources
        if source.path != HOME and not source.path.startswith("loadtests/")
        for line in _readings(source.tree)
    ]


def _readings(tree: ast.Module) -> Iterable[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = (
                node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
            )
            if node.attr in READINGS.get(str(base), ()):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for name in node.names if name.name in IMPORTED)


def test_nobody_reads_the_clock_but_kit() -> None:
    found = clock_readings(program())
    assert not found, "\n".join(found)


def test_the_rule_sees_each_way_to_read_it() -> None:
    for text in (
        "now = datetime.now(UTC)",
        "import datetime\nnow = datetime.datetime.utcnow()",
        "field(default_factory=datetime.now)",
        "today = date.today()",
        "import time\nnow = time.time()",
        "from time import time",
    ):
        assert clock_readings(sample(text)), text


def test_the_rule_lets_durations_clocks_and_the_crowd_be() -> None:
    assert not clock_readings(sample("started = time.monotonic()\nnow = clock.now()\nfunc.now()"))
    assert not clock_readings(sample("datetime.now(UTC)", HOME))
    assert not clock_readings(sample("time.time()", "loadtests/crowd/wire.py"))
