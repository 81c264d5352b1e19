"""How fast the client itself is, against a server that does nothing: a rate near this would be the client's."""

from typing import Final

from loadtests.bench.requests import get
from loadtests.bench.rows import Goal, Row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene
from loadtests.bench.subjects import Subject

DEPTHS: Final = (1, 8)
ROWS: Final = tuple(f"client_ceiling_depth_{depth}" for depth in DEPTHS)


def rows(scene: Scene, runner: Runner) -> list[Row]:
    found = []
    for row_id, depth in zip(ROWS, DEPTHS, strict=True):
        if not scene.options.wants(row_id):
            continue
        up = scene.constant()
        subject = Subject(
            "constant",
            f"the client's own ceiling, {depth} in flight a connection",
            [up.port],
            lambda _count: [get("/")],
            frozenset({b"200"}),
            scene.pids(up, "constant"),
            again=True,
            depth=depth,
            awake=True,
        )
        runner.show(subject.title)
        run = runner.once(subject)
        facts = {} if run is None else run.as_facts()
        value = None if run is None else run.rate
        found.append(Row(row_id, subject.title, value, Goal(None, unit="a second"), facts=facts))
    return found
