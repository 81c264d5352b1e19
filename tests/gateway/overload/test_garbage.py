"""Garbage is looked for while the gate is at rest, and once in a while even if it never is."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from gateway.overload import garbage
from gateway.overload.garbage import NEVER, collect_at_rest
from gateway.overload.gate import Gate
from gateway.overload.priority import Outcome, Priority
from tests.gateway.lane.conftest import eventually


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Full collections that were made."""
    made: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            made.append(1)

    monkeypatch.setattr(garbage, "LOOK_SECONDS", 0.01)
    gc.callbacks.append(note)
    yield made
    gc.callbacks.remove(note)


async def test_garbage_is_looked_for_at_rest_and_not_while_somebody_is_under_way(
    collections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "LOOKS_MISSED_MAX", 1_000_000)
    gate = Gate()
    permit = gate.enter(Priority.RESERVE)
    assert permit is not None
    collecting = asyncio.create_task(collect_at_rest(gate.at_rest))
    await asyncio.sleep(0.05)
    at_the_start = len(collections)
    assert gc.get_threshold()[2] == NEVER
    assert at_the_start == 1
    permit.leave(Outcome.ANSWERED)
    await eventually(lambda: len(collections) > at_the_start)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)


async def test_a_process_that_is_never_at_rest_pauses_once_in_a_while(
    collections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "LOOKS_MISSED_MAX", 2)
    collecting = asyncio.create_task(collect_at_rest(lambda: False))
    await eventually(lambda: len(collections) >= 3)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)


async def test_afterwards_the_collector_is_as_it_was() -> None:
    before = gc.get_threshold()
    collecting = asyncio.create_task(collect_at_rest(lambda: False))
    await asyncio.sleep(0)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
