"""Who may still give a unit back, and how long those stay who wait for one."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.crowd import visit as visit_module
from loadtests.crowd.board import Document, QueueBoard, Seen
from loadtests.crowd.figures import Figures
from loadtests.crowd.history import History
from loadtests.crowd.personas import Shopper, draw_crowd
from loadtests.crowd.scene import Offer, SaleView, Scene
from loadtests.crowd.visit import Over, Visit
from loadtests.crowd.wire import Wire


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    figures = Figures()
    wire = Wire("http://nowhere.invalid", figures, seed=1)
    with History(tmp_path / "history.jsonl") as history:
        yield Scene(
            wire=wire,
            history=history,
            figures=figures,
            board=QueueBoard(wire, "sale"),
            sale=SaleView("sale", 0.0, 1.0, (Offer("lamp", 1),)),
            seed=1,
        )


@pytest.fixture
def stayer() -> Shopper:
    return replace(next(draw_crowd(1, 1)), stays=True, exit_after=None)


def test_a_shopper_settles_once(scene: Scene, stayer: Shopper) -> None:
    scene.unsettled = 1
    visit = Visit(scene, replace(stayer, stays=False))
    visit.settle()
    visit.settle()
    assert scene.unsettled == 0


def test_a_stayer_is_waited_for_only_while_it_holds_something(scene: Scene, stayer: Shopper) -> None:
    visit = Visit(scene, stayer)
    visit.settle()
    assert scene.unsettled == 0
    visit.holds("one", 0.0)
    visit.holds("other", 0.0)
    assert scene.unsettled == 1
    visit.settle()
    assert scene.unsettled == 0


@pytest.mark.parametrize("ended", [False, True])
def test_who_goes_in_the_middle_leaves_a_hold_that_is_waited_for(
    scene: Scene, stayer: Shopper, *, ended: bool
) -> None:
    visit = Visit(scene, stayer)
    visit.holds("hold", scene.server_now() + 20)
    if ended:
        visit.held("hold")
    visit.settle()
    assert (scene.settled_at > time.monotonic() + 10) is not ended


def test_stock_may_return_while_somebody_could_give_it_back_and_a_moment_longer(scene: Scene) -> None:
    scene.unsettled = 1
    assert scene.stock_may_return()
    scene.settle()
    assert scene.stock_may_return(), "the document trails a little"
    scene.settled_at = time.monotonic() - 60
    assert not scene.stock_may_return()


async def test_a_stayer_before_the_door_goes_when_nothing_can_come_back(
    scene: Scene, stayer: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit_module, "STAYERS_LOOK_SECONDS", 0.01)
    visit = Visit(scene, stayer)
    visit.position = 7
    scene.unsettled = 1
    scene.board.take(Document(state="sold_out", frontier=3))
    waiting = asyncio.create_task(visit.wait_turn())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    scene.settle()
    scene.settled_at = time.monotonic() - 60
    with pytest.raises(Over, match=Seen.SOLD_OUT.value):
        await waiting
