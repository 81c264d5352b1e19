"""A running simulator with an empty book."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ops.simulator.running import RunningSimulator, running_simulator


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[RunningSimulator]:
    async with running_simulator(tmp_path) as running:
        yield running
