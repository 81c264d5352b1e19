"""What is answered without any store, or with one look at it: documents and refusals, against an empty handler and nginx.

One request is in flight on each of the connections, as a balancer does it, and the client never sleeps. At these rates its
core is as full as the server's, so what is compared is answers a busy second of the server's core; where that core was
full, the two are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.bench.client.once import ask
from loadtests.bench.requests import POLLING, POOL, get
from loadtests.bench.rows import Goal, Row, missing_row, ratio_row
from loadtests.bench.runs import Result, Runner, capacities, limited_by, middle
from loadtests.bench.scene import Scene, Up, queue_path
from loadtests.bench.subjects import Subject

OK: Final = frozenset({b"200"})
LIMITED: Final = frozenset({b"429"})
STRANGERS: Final = 40_000
PUSHERS, PUSHES = 100, 200
REFUSED: Final = "refused without I/O"
AGAINST_EMPTY: Final = "(a) an empty ASGI handler on the same server, the same requests"
AGAINST_CONSTANT: Final = "(b)'s server answering a constant"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row: what, whose figure over whose, and how much it should be."""

    row_id: str
    what: str
    ours: str
    theirs: str
    goal: Goal
    against: str


QUEUE_FRESH, QUEUE_304 = "queue document, fresh", "queue document, not modified"
COMPARISONS: Final = (
    Comparison("queue_fresh_vs_empty", QUEUE_FRESH, "queue", "empty", Goal(3.0), AGAINST_EMPTY),
    Comparison("queue_304_vs_empty", QUEUE_304, "queue_304", "empty", Goal(3.0), AGAINST_EMPTY),
    Comparison("queue_fresh_vs_nginx", QUEUE_FRESH, "queue", "nginx_constant", Goal(0.9), AGAINST_CONSTANT),
    Comparison("queue_304_vs_nginx", QUEUE_304, "queue_304", "nginx_constant", Goal(0.9), AGAINST_CONSTANT),
    Comparison(
        "refused_sold_out", f"{REFUSED}: sold out", "sold_out", "empty_post", Goal(2.0), AGAINST_EMPTY
    ),
    Comparison("refused_forged", f"{REFUSED}: forged", "forged", "empty_post", Goal(2.0), AGAINST_EMPTY),
    Comparison(
        "refused_not_your_turn",
        f"{REFUSED}: not your turn, {POLLING:,} shoppers who poll",
        "early",
        "empty_post",
        Goal(2.0),
        AGAINST_EMPTY,
    ),
    Comparison(
        "refused_not_your_turn_unknown",
        f"{REFUSED}: not your turn, every token verified anew",
        "strangers",
        "empty_post",
        Goal(None),
        AGAINST_EMPTY,
    ),
    Comparison(
        "refused_by_limit",
        "refused by a limit, one trip to Redis, batched",
        "limited",
        "empty_post",
        Goal(1.0),
        AGAINST_EMPTY,
    ),
)
ROWS: Final = tuple(each.row_id for each in COMPARISONS)


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """All of them in the same rounds, so that each ratio compares neighbours in time."""
    wanted = [each for each in COMPARISONS if scene.options.wants(each.row_id)]
    names = list(dict.fromkeys(name for each in wanted for name in (each.theirs, each.ours)))
    if not names:
        return []
    doors = Doors(scene)
    subjects = [
        doors.subject(name) for name in names if not (name.startswith("nginx") and "nginx" in scene.missing)
    ]
    results = runner.turns(subjects)
    return [_row(each, results, scene) for each in wanted]


def _row(each: Comparison, results: Mapping[str, Sequence[Result | None]], scene: Scene) -> Row:
    if each.theirs not in results:
        why = f"nginx is not here: {scene.missing['nginx']}"
        return missing_row(each.row_id, each.what, each.goal, against=each.against, why=why)
    ours, theirs = results[each.ours], results[each.theirs]
    runs = {"ours": middle(ours), "theirs": middle(theirs)}
    return ratio_row(
        each.row_id,
        each.what,
        each.goal,
        capacities(ours),
        capacities(theirs),
        rounds=scene.options.rounds,
        against=each.against,
        limit=limited_by(ours),
        facts={who: run.as_facts() for who, run in runs.items() if run is not None},
    )


class Doors:
    """The subjects by name, each with requests that every server gets alike."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def subject(self, name: str) -> Subject:
        base, _, depth = name.partition("@")
        made: Subject = getattr(self, f"_{base}")()
        if depth:
            made.name, made.title, made.depth = name, f"{made.title}, {depth} in flight", int(depth)
        return made

    def _queue(self) -> Subject:
        return self._get("queue", "queue document", self._scene.gateway(), b'"frontier"')

    def _empty(self) -> Subject:
        return self._get("empty", "empty ASGI handler", self._scene.empty(), b"")

    def _nginx_constant(self) -> Subject:
        return self._get("nginx_constant", "nginx, a constant", self._scene.nginx(), b'"frontier"')

    def _get(self, name: str, title: str, up: Up, marker: bytes) -> Subject:
        request = get(queue_path(self._scene.sales.shown))
        return self._again(name, title, up, [request], OK, marker)

    def _queue_304(self) -> Subject:
        gateway, path = self._scene.gateway(), queue_path(self._scene.sales.shown)

        def make(_count: int) -> list[bytes]:
            return [get(path, etag=ask(gateway.port, get(path)).header("etag"))]

        subject = self._again(
            "queue_304", "queue document, not modified", gateway, [], frozenset({b"304"}), b""
        )
        subject.make = make
        return subject

    def _empty_post(self) -> Subject:
        forgeries = self._scene.shoppers.forgeries(self._scene.sales.hot, "warm")
        return self._again("empty_post", "empty ASGI handler, posts", self._scene.empty(), forgeries, OK, b"")

    def _sold_out(self) -> Subject:
        sale_id, gateway = self._scene.sales.sold_out, self._scene.gateway()
        ask(gateway.port, self._scene.shoppers.reservation(sale_id, "last"))
        self._scene.wait_for(gateway, sale_id, lambda document: document["state"] == "sold_out")
        late = self._scene.shoppers.reservations(sale_id, "last", POOL)
        return self._again("sold_out", "sold out", gateway, late, frozenset({b"409"}), b'"sold_out"')

    def _forged(self) -> Subject:
        forgeries = self._scene.shoppers.forgeries(self._scene.sales.hot, "warm")
        gateway = self._scene.gateway()
        return self._again(
            "forged", "forged", gateway, forgeries, frozenset({b"401"}), b'"admission_invalid"'
        )

    def _early(self) -> Subject:
        early = self._scene.shoppers.early_birds(self._scene.sales.hot, POLLING)
        return self._turned_away("early", "not your turn", early)

    def _strangers(self) -> Subject:
        """More of them than the gateway remembers tokens of, always in the same order: none is ever known."""
        early = self._scene.shoppers.early_birds(self._scene.sales.hot, STRANGERS)
        return self._turned_away("strangers", "not your turn, tokens verified anew", early)

    def _turned_away(self, name: str, title: str, early: Sequence[bytes]) -> Subject:
        return self._again(name, title, self._scene.gateway(), early, frozenset({b"409"}), b'"not_your_turn"')

    def _limited(self) -> Subject:
        """What still passes is refused for another reason or sold; nothing of that counts as an answer here."""
        pushers = self._scene.shoppers.pushers(self._scene.sales.hot, "warm", PUSHERS, PUSHES)
        subject = self._again("limited", "refused by a limit", self._scene.gateway(), pushers, LIMITED, b"")
        subject.tolerated = frozenset({b"201", b"409", b"503"})
        subject.awake = False  # Redis needs the client's core too
        return subject

    def _again(
        self, name: str, title: str, up: Up, pool: Sequence[bytes], good: frozenset[bytes], marker: bytes
    ) -> Subject:
        pids = self._scene.pids(up, name)
        return Subject(
            name, title, [up.port], lambda _count: pool, good, pids, again=True, marker=marker, awake=True
        )
