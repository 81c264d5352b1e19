"""The shared copy of the queue document: it wakes exactly those whom the news concerns."""

import asyncio
from typing import Any

import pytest

from loadtests.crowd.board import Document, QueueBoard, Seen, max_age
from loadtests.crowd.figures import Figures
from loadtests.crowd.wire import Answer, Wire


@pytest.fixture
def board() -> QueueBoard:
    return QueueBoard(Wire("http://nowhere.invalid", Figures(), seed=1), "sale")


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_frontier_wakes_those_below_it(board: QueueBoard) -> None:
    waiters = [asyncio.create_task(board.turn(position, stays=False)) for position in range(10)]
    await _settle()
    assert board.waiting == 10
    board.take(Document(state="open", frontier=4))
    await _settle()
    assert [task.done() for task in waiters] == [True] * 4 + [False] * 6
    assert waiters[0].result() is Seen.TURN
    assert board.waiting == 6
    board.take(Document(state="ended", frontier=4))
    assert [await task for task in waiters[4:]] == [Seen.ENDED] * 6


async def test_all_but_stayers_go_when_everything_is_sold(board: QueueBoard) -> None:
    goes, stays = (asyncio.create_task(board.turn(5, stays=stays)) for stays in (False, True))
    await _settle()
    board.take(Document(state="sold_out", frontier=1))
    assert await goes is Seen.SOLD_OUT
    assert not stays.done()
    board.take(Document(state="open", frontier=6))
    assert await stays is Seen.TURN


async def test_whose_turn_it_is_already_does_not_wait(board: QueueBoard) -> None:
    board.take(Document(state="open", frontier=6))
    assert await board.turn(5, stays=False) is Seen.TURN
    board.take(Document(state="sold_out", frontier=6))
    assert await board.turn(5, stays=False) is Seen.TURN, "a place that was reached is not given up"
    assert await board.turn(6, stays=False) is Seen.SOLD_OUT


async def test_a_waiter_that_is_cancelled_is_forgotten(board: QueueBoard) -> None:
    waiter = asyncio.create_task(board.turn(5, stays=False))
    await _settle()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert board.waiting == 0
    board.take(Document(state="open", frontier=10))


async def test_stock_that_comes_back_is_told(board: QueueBoard) -> None:
    board.take(Document(state="sold_out", bands={"a": "none"}))
    waiter = asyncio.create_task(board.stock_again(30))
    await _settle()
    board.take(Document(state="open", bands={"a": "none"}))
    await _settle()
    assert not waiter.done()
    board.take(Document(state="open", bands={"a": "few"}))
    assert await waiter


async def test_patience_for_stock_ends(board: QueueBoard) -> None:
    assert not await board.stock_again(0.01)


@pytest.mark.parametrize("body", [None, [], "x", {}, {"frontier": "7", "stock": [], "next_poll_seconds": -1}])
def test_a_document_that_makes_no_sense_moves_nobody(body: Any) -> None:
    document = Document.parse(body)
    assert (document.frontier, document.state, document.bands) == (0, "unknown", {})
    assert not document.has_stock


def test_the_cache_obeys_max_age() -> None:
    assert max_age(Answer(200, headers={"Cache-Control": "public, max-age=3"})) == 3.0
    assert max_age(Answer(200)) == 1.0
