"""Reserving at saturation: with the commit and without, beside nginx that remembers nothing and a plain FastAPI shop.

Each first shows on a scarce item that it refuses forgeries and the second unit, and that it sells what there is and no
more. Rates are what the machine gave with load, Redis and PostgreSQL on the other core; core-seconds stand beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from loadtests.bench.books import LedgerBooks, classic_books, nginx_books, stock_classic, unwritten_books
from loadtests.bench.measures.duties import duties_complaint
from loadtests.bench.requests import TokenForm
from loadtests.bench.rows import Goal, Row, median, missing_row, ratio_row
from loadtests.bench.runs import Result, Runner, limited_by, middle, rates
from loadtests.bench.sales import PLENTY, SCARCE
from loadtests.bench.scene import Scene, Up
from loadtests.bench.subjects import Books, Subject

GRANTED: Final = frozenset({b"201"})
SHOPPERS: Final = (
    512  # at once, each on a connection of their own: what a balancer has open to one process of many
)
FEW: Final = 64  # of (c), which does less the more wait for its row and its pool: here it does best
NGINX: Final = "(b) nginx + Lua + Redis, not durable"
RATIOS: Final = ("reserve_unwritten", "reserve_durable", "reserve_vs_classic")
COST_ROWS: Final = {
    "cost_gateway": ("durable", "durable", "gateway, a durable reservation"),
    "cost_redis": ("durable", "redis", "Redis, a durable reservation"),
    "cost_postgresql": ("durable", "postgresql", "PostgreSQL, a durable reservation"),
    "cost_gateway_unwritten": ("unwritten", "unwritten", "gateway, all duties but the commit"),
    "cost_nginx": ("nginx", "nginx", "nginx (b)"),
    "cost_redis_nginx": ("nginx", "redis", "Redis under nginx (b)"),
}
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "reserve_unwritten": ("nginx", "unwritten"),
    "reserve_durable": ("nginx", "durable"),
    "reserve_vs_classic": ("classic", "durable"),
    **{row_id: (subject,) for row_id, (subject, _, _) in COST_ROWS.items()},
}
ROWS: Final = tuple(_NEEDS)
Results = Mapping[str, Sequence[Result | None]]


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """The wanted rows, all from the same rounds."""
    wanted = [row_id for row_id in _NEEDS if scene.options.wants(row_id)]
    names = list(dict.fromkeys(name for row_id in wanted for name in _NEEDS[row_id]))
    subjects, faults = [], {}
    for name in names:
        if name in scene.missing:
            faults[name] = f"{name} is not here: {scene.missing[name]}"
            continue
        shop = Shop(scene, name)
        runner.show(f"{shop.title}: its duties")
        if (complaint := duties_complaint(shop, scene)) is None:
            subjects.append(shop.subject(name))
        else:
            faults[name] = f"{shop.title} does not keep its duties: {complaint}"
    results = runner.turns(subjects) if subjects else {}
    made = [_ratio(row_id, results, faults, scene) for row_id in RATIOS if row_id in wanted]
    return made + [_cost(row_id, results, faults) for row_id in COST_ROWS if row_id in wanted]


class Shop:
    """One server that sells, by name: durable, unwritten, nginx or classic."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene, self.name = scene, name
        self.up: Up = {
            "durable": scene.gateway,
            "unwritten": scene.unwritten,
            "nginx": scene.nginx,
            "classic": scene.classic,
        }[name]()
        self.title = {
            "durable": "gateway, durable",
            "unwritten": "gateway without the commit",
            "nginx": "nginx + Lua + Redis",
            "classic": "FastAPI + redis-py + SQLAlchemy",
        }[name]
        self.form: TokenForm = "plain" if name == "nginx" else "admission"
        self.scarce_sku = "unwritten-scarce" if name == "unwritten" else "scarce"

    @property
    def sale_id(self) -> str:
        return self._scene.sales.hot

    def books(self, sku: str, total: int = PLENTY) -> Books:
        stores = self._scene.stores
        if self.name == "durable":
            return LedgerBooks(stores, self.sale_id, sku)
        if self.name == "unwritten":
            return unwritten_books(stores, self.sale_id, sku, total)
        if self.name == "nginx":
            return nginx_books(stores, self.sale_id, sku, total)
        stock_classic(stores, self.sale_id, [(sku, total)])
        return classic_books(stores, self.sale_id, sku)

    def subject(self, sku: str) -> Subject:
        def make(count: int) -> list[bytes]:
            return self._scene.shoppers.reservations(self.sale_id, sku, count, self.form)

        return Subject(
            self.name,
            self.title,
            [self.up.port],
            make,
            GRANTED,
            self._scene.pids(self.up, self.name),
            self.books(sku),
            connections=FEW if self.name == "classic" else SHOPPERS,
            rate_guess=2_000.0 if self.name == "classic" else 25_000.0,
        )

    def scarce_books(self) -> Books:
        return self.books(self.scarce_sku, SCARCE)


def _ratio(row_id: str, results: Results, faults: Mapping[str, str], scene: Scene) -> Row:
    theirs, ours = _NEEDS[row_id]
    what, goal, against = {
        "reserve_unwritten": ("reserve, all duties but the commit to PostgreSQL", Goal(1.4), NGINX),
        "reserve_durable": ("reserve, durable acknowledgement", Goal(0.8), NGINX),
        "reserve_vs_classic": (
            "reserve, durable",
            Goal(10.0),
            "(c) FastAPI + redis-py + SQLAlchemy, one row lock each",
        ),
    }[row_id]
    why = "; ".join(faults[name] for name in (theirs, ours) if name in faults)
    if why:
        return missing_row(row_id, what, goal, against=against, why=why)
    runs = {"ours": middle(results[ours]), "theirs": middle(results[theirs])}
    return ratio_row(
        row_id,
        what,
        goal,
        rates(results[ours]),
        rates(results[theirs]),
        rounds=scene.options.rounds,
        against=against,
        limit=limited_by(results[ours]),
        facts={who: run.as_facts() for who, run in runs.items() if run is not None},
    )


def _cost(row_id: str, results: Results, faults: Mapping[str, str]) -> Row:
    """Processor seconds a million reservations, beside the ratios that alone would hide them."""
    subject, who, what = COST_ROWS[row_id]
    goal = Goal(None, unit="core-seconds a million")
    if subject in faults:
        return missing_row(row_id, what, goal, against="", why=faults[subject])
    costs = [
        run.usage.by_who[who] / run.usage.seconds / run.rate * 1e6
        for run in results[subject]
        if run is not None and run.usage.by_who.get(who)
    ]
    why = "" if costs else "its processes are not ours to look at, or no run counted"
    return Row(row_id, f"core-seconds a million: {what}", median(costs), goal, why=why)
