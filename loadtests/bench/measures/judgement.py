"""What the bench left in the stores, before the same judge that the keeper, the tests and the demo ask.

Every reservation of every run is judged, not only those of the run that its own books were held against. The bench has a hand
in the stores, to have a million sold rows and admissions without a queue: what that alone breaks is told, and is no violation.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadtests.bench.fill import filled
from loadtests.bench.launch import finished, python
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene

ROW: Final = "judged"
ROWS: Final = (ROW,)
GOAL: Final = Goal(0.0, "at most", unit="violations")
WHAT: Final = "what must hold and does not, in everything that the bench has sold"
AGAINST: Final = "floodgate judge"
SECONDS_MAX: Final = 600.0  # some millions of rows, each truth four times
# Admissions are signed by the bench itself, each with its own id and any position: there is no waiting room before them.
# And its worker is ended when enough rewards have been measured, whatever is still to be granted.
EXCUSED: Final = frozenset({"nobody_before_turn", "positions_unique", "positions_below_mark", "outbox_flows"})
# Sold rows in bulk were confirmed by nobody's money. They are counted: one more that is missing is a violation.
FILLED: Final = frozenset({"money_serves_or_returns", "confirmed_once_announced"})


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """The last question of a bench."""
    if not scene.options.wants(ROW):
        return []
    found: Counter[str] = Counter()
    by_hand = 0
    for sale_id in scene.sales.ids:
        runner.show(f"judging {sale_id}")
        words = python("-m", "ops", "judge", sale_id, "--json")
        done = finished(words, {**scene.environment, "PROVIDER_URL": ""}, seconds_max=SECONDS_MAX)
        if not done.stdout:
            return [missing_row(ROW, WHAT, GOAL, against=AGAINST, why=done.stderr.strip()[-200:])]
        found.update(counted(json.loads(done.stdout)))
        by_hand += filled(scene.stores, sale_id)
    return [verdict(found, by_hand)]


def counted(judged: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Violations by truth; what could not be judged counts as one, under a name that says so."""
    found = {}
    for row in judged:
        if row["value"] is None:
            found[f"{row['id']} was not judged"] = 1
        else:
            found[row["id"]] = int(row["value"])
    return found


def verdict(found: Mapping[str, int], filled_rows: int) -> Row:
    """The row; what only the bench's own hand can have done is told beside it."""
    hand = {truth_id: found.get(truth_id, 0) for truth_id in EXCUSED} | dict.fromkeys(FILLED, filled_rows)
    broken = {
        truth: count - hand.get(truth, 0) for truth, count in found.items() if count != hand.get(truth, 0)
    }
    facts = {
        "truths": len(found),
        "broken": broken,
        "by_hand": {truth: count for truth, count in hand.items() if count},
    }
    return Row(ROW, WHAT, sum(map(abs, broken.values())), GOAL, against=AGAINST, facts=facts)
