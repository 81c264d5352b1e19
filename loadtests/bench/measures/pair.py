"""Two gateway processes against one: does a second one double what the door does?

Where there are cores enough, each process has its own. On two cores the server's core is shared by three equal tasks:
beside one gateway turn two neighbours that never rest, beside two only one, so a gateway has a third of a core either
time, and client and stores on the other core are far from their limits. What is asked is reserving without the commit,
for the ledger's one hot row is no part of this question.
"""

import time
from contextlib import ExitStack
from typing import Final

from loadtests.bench.launch import Program, python, running
from loadtests.bench.measures.reserving import GRANTED, Shop
from loadtests.bench.rows import Goal, Row, ratio_row
from loadtests.bench.runs import Result, Runner, limited_by, middle, rates
from loadtests.bench.scene import Scene
from loadtests.bench.subjects import Subject

ROW: Final = "two_processes"
ROWS: Final = (ROW,)
WHAT: Final = "two gateway processes against one, client and stores not the limit"
GOAL: Final = Goal(1.8)
BALLAST: Final = "loadtests.bench.baselines.ballast"


def rows(scene: Scene, runner: Runner) -> list[Row]:
    if not scene.options.wants(ROW):
        return []
    pair = Pair(scene, runner)
    alone: list[Result | None] = []
    both: list[Result | None] = []
    for number in range(scene.options.rounds):
        for processes in (1, 2) if number % 2 == 0 else (2, 1):
            runner.show(f"{processes} of two gateways, round {number + 1} of {scene.options.rounds}")
            (alone if processes == 1 else both).append(pair.run(processes))
    runs = {"one": middle(alone), "two": middle(both)}
    return [
        ratio_row(
            ROW,
            WHAT,
            GOAL,
            rates(both),
            rates(alone),
            rounds=scene.options.rounds,
            against="one process",
            limit=limited_by(both),
            facts={
                "sharing": pair.told(),
                **{name: run.as_facts() for name, run in runs.items() if run is not None},
            },
        )
    ]


class Pair:
    """One subject on one port and on two."""

    def __init__(self, scene: Scene, runner: Runner) -> None:
        self._scene, self._runner = scene, runner
        second = scene.layout.second
        self._first = scene.unwritten()
        self._second = scene.unwritten("unwritten-second", second)
        self._has_cores = second is not None
        subject = Shop(scene, "unwritten").subject("pair")
        self._subjects = {1: subject, 2: self._on_both(subject)}

    def told(self) -> str:
        return (
            "a core each"
            if self._has_cores
            else "a third of the server's core each, the rest taken by neighbours"
        )

    def _on_both(self, subject: Subject) -> Subject:
        return Subject(
            "pair",
            "two gateways without the commit",
            [self._first.port, self._second.port],
            subject.make,
            GRANTED,
            {**subject.pids, "second": self._second.pid},
            subject.books,  # the same stock, one count
            connections=subject.connections,
            rate_guess=subject.rate_guess,
        )

    def run(self, processes: int) -> Result | None:
        with ExitStack() as stack:
            if not self._has_cores:
                for number in range(3 - processes):
                    stack.enter_context(running(self._ballast(number), self._scene.logs))
                time.sleep(0.1)
            return self._runner.once(self._subjects[processes])

    def _ballast(self, number: int) -> Program:
        return Program(f"ballast-{number}", python("-m", BALLAST), {self._scene.layout.server}, lambda: True)
