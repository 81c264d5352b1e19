"""Five times the knee for a minute, and half a minute after it: the surplus should cost the surplus, not the sale.

Goodput is what was granted within a second of its sending, counted by the second of its answer. Who is refused comes back
with the same key when it was told to, as an app does. A connection asks again as soon as it is answered, for as long as
arrivals are due: five times the knee is more than it can always send, and what could not be sent is counted.

At once after the minute the surplus is gone: the knee's rate comes over as many connections as the knee was found with,
and first those whose last answer was a 503. At the end everybody who is still in doubt asks once more at leisure: then
what was granted is exactly what was sold.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from loadtests.bench.client.histogram import Histogram
from loadtests.bench.client.opened import Opened
from loadtests.bench.cores import Usage
from loadtests.bench.knees import CONNECTIONS as CONNECTIONS_OF_THE_KNEE
from loadtests.bench.knees import offer, settle
from loadtests.bench.measures.arrivals import knee_of
from loadtests.bench.measures.reserving import Shop
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Runner, told_limit
from loadtests.bench.scene import Scene
from loadtests.bench.subjects import Subject, united

TIMES: Final = 5.0
SECONDS: Final = 60.0
AFTER_SECONDS: Final = 30.0
# More than a gateway has under way and can serve in good time besides, so that it has to choose.
CONNECTIONS: Final = 12_000
GOOD_SECONDS: Final = 1.0
# Served with five times as much to do: then it was not the knee. (It was sought in a bad minute of the machine.)
OF_THE_KNEE_MAX: Final = 1.5
GOALS: Final = {
    "overload_during": ("goodput at 5× the knee for 60 s", Goal(0.9)),
    "overload_after": ("goodput in the 30 s after it, at the knee", Goal(0.95)),
}
ROWS: Final = tuple(GOALS)
AGAINST: Final = "the knee"


def rows(scene: Scene, runner: Runner) -> list[Row]:
    wanted = [row_id for row_id in GOALS if scene.options.wants(row_id)]
    if not wanted:
        return []
    shop = Shop(scene, "durable")
    knee = knee_of(shop.subject("arrivals"), runner).rate
    if not knee:
        return [
            missing_row(row_id, GOALS[row_id][0], GOALS[row_id][1], against=AGAINST, why="no knee was found")
            for row_id in wanted
        ]
    return Overload(shop.subject("overload"), knee, runner).rows(wanted)


class Overload:
    """The minute and what follows."""

    def __init__(self, subject: Subject, knee: float, runner: Runner) -> None:
        self._subject, self._knee, self._runner = subject, knee, runner
        # Shorter runs are for trying the bench out; their report says how long they were.
        scale = min(1.0, runner.options.seconds / 3.0)
        self._seconds, self._after = SECONDS * scale, AFTER_SECONDS * scale

    def rows(self, wanted: list[str]) -> list[Row]:
        self._runner.show(f"{self._subject.title}: making shoppers for a minute and a half")
        # All beforehand: what follows the minute must follow it at once.
        crowd, others = (self._subject.make(self._count(seconds)) for seconds in (self._seconds, self._after))
        self._runner.show(f"{self._subject.title}: {TIMES:g} times the knee for {self._seconds:g} s")
        during, usage = self._offer(TIMES * self._knee, self._seconds, CONNECTIONS, crowd)
        self._runner.show(f"{self._subject.title}: the knee again for {self._after:g} s")
        after, usage_after = self._offer(
            self._knee, self._after, CONNECTIONS_OF_THE_KNEE, chain(during.undecided, others)
        )
        complaint = self._complaint(during, after)
        made = {
            "overload_during": self._row("overload_during", during, usage, self._seconds, complaint),
            "overload_after": self._row("overload_after", after, usage_after, self._after, complaint),
        }
        return [made[row_id] for row_id in wanted]

    def _count(self, seconds: float) -> int:
        return int(self._knee * seconds * 1.3) + 2 * CONNECTIONS

    def _offer(
        self, rate: float, seconds: float, connections: int, requests: Iterable[bytes]
    ) -> tuple[Opened, Usage]:
        return offer(
            self._subject,
            rate,
            seconds,
            self._runner,
            connections=connections,
            again=True,
            in_time_seconds=GOOD_SECONDS,
            requests=requests,
        )

    def _complaint(self, during: Opened, after: Opened) -> str:
        self._runner.show(f"{self._subject.title}: asking again for {len(after.undecided):,} in doubt")
        both = united(during.tally, after.tally)
        complaint = self._subject.complaint(united(both, settle(self._subject, after.undecided)))
        if complaint is not None:
            self._runner.refused.append(f"{self._subject.title}, overload: {complaint}")
        return complaint or ""

    def _row(self, row_id: str, opened: Opened, usage: Usage, seconds: float, complaint: str) -> Row:
        what, goal = GOALS[row_id]
        within = sum(opened.by_second[: int(seconds)])
        share = within / int(seconds) / self._knee if int(seconds) else 0.0
        if not complaint and share > OF_THE_KNEE_MAX:
            complaint = f"{share:.1f} times the knee was served: it was not the knee"
        return Row(
            row_id,
            what,
            None if complaint else share,
            goal,
            AGAINST,
            complaint,
            told_limit(usage),
            _facts(opened, self._knee),
        )


def _facts(opened: Opened, knee: float) -> dict[str, Any]:
    return {
        "knee": round(knee),
        "offered": round(opened.arrivals.rate),
        "sent_a_second": round(opened.sent / opened.seconds),
        "planned": opened.planned,
        "sent": opened.sent,
        "unsent": opened.unsent,
        "good": opened.good,
        "late": opened.late,
        "by_status": opened.tally.by_status(),
        "lost": opened.tally.lost,
        "reopened": opened.reopened,
        "by_second": opened.by_second,
        "from_plan": opened.histogram().summary(),
        "from_sending": Histogram.of(opened.since_sent).summary(),
    }
