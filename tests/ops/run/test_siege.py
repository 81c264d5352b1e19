"""When strokes fall: by what has been sold, one after the other, and none once the crowd has gone."""

import asyncio
from collections.abc import Callable

import pytest

from ops.run import siege as siege_module
from ops.run.plan import SIEGE
from ops.run.siege import Siege
from ops.run.standing import Standing
from ops.run.strike import Struck
from tests.ops.run.conftest import MakePlan


class Sale:
    """A sale that sells a unit at each look, up to `units_max`, and a striker that writes down when it struck."""

    def __init__(self, units_max: int) -> None:
        self.units_max = units_max
        self.units = 0
        self.struck: list[tuple[str, int]] = []
        self.sold_all_it_has = asyncio.Event()

    async def look(self, _postgres: object, _sale_id: str) -> Standing:
        if self.units == self.units_max:
            self.sold_all_it_has.set()
        self.units = min(self.units + 1, self.units_max)
        return Standing(self.units, 0, 0, 0, 0, 0)

    async def strike(self, name: str) -> Struck:
        self.struck.append((name, self.units))
        return Struck(name, {}, {}, None, self.units, 0)


Besiege = Callable[..., tuple[Sale, Siege]]


@pytest.fixture
def besiege(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> Besiege:
    def make(units_max: int, **changes: object) -> tuple[Sale, Siege]:
        sale = Sale(units_max)
        monkeypatch.setattr(siege_module, "read_standing", sale.look)
        monkeypatch.setattr(siege_module, "LOOK_SECONDS", 0)
        monkeypatch.setattr(siege_module, "BREATH_SECONDS", 0)
        plan = make_plan(crowd=600, faults=True, kill_after_seconds=0.0, **changes)  # 90 units
        return sale, Siege(plan, sale, None, "sale")

    return make


async def test_every_stroke_falls_when_its_share_has_been_sold(besiege: Besiege) -> None:
    sale, siege = besiege(90)
    await siege.run(0)
    assert sale.struck == [(name, 10 * number) for number, name in enumerate(SIEGE, start=1)]
    assert [each.name for each in siege.struck] == list(SIEGE)


async def test_what_kill_names_is_struck_first(besiege: Besiege) -> None:
    sale, siege = besiege(90, kill=("worker", "keeper"))
    await siege.run(0)
    assert [name for name, _ in sale.struck] == ["worker", "keeper", *SIEGE]


async def test_a_sale_that_does_not_sell_is_left_alone_once_the_crowd_has_gone(besiege: Besiege) -> None:
    sale, siege = besiege(25)
    running = asyncio.create_task(siege.run(0))
    await sale.sold_all_it_has.wait()
    siege.end()
    await running
    assert [name for name, _ in sale.struck] == list(SIEGE[:2])
