"""A few rows of the house for real, one seed each: the fault takes place, and nothing that was promised is broken."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kit.embedded import ServerUrls
from ops.faults.house.rows import ROWS, close
from ops.faults.matrix import FaultRow, Found, Ground, Trial
from ops.faults.runner import CONTROL_SEEDS_MAX

SHOWN = ("B2.poisoned",)


@pytest.fixture(scope="module")
def ground(servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The ground of one house for all of these tests."""
    yield Ground(
        servers.database,
        servers.redis_queue,
        servers.redis_broker,
        tmp_path_factory.mktemp("faults") / "trial",
        1,
    )
    close()


def row(row_id: str) -> FaultRow:
    return next(each for each in ROWS if each.row_id == row_id)


def held(trial: Trial, ground: Ground) -> Found:
    return asyncio.run(trial(ground))


@pytest.mark.run
@pytest.mark.parametrize("row_id", SHOWN)
def test_the_fault_takes_place_and_every_promise_holds(row_id: str, ground: Ground) -> None:
    found = held(row(row_id).trial, ground)

    assert found.injected
    assert found.violations == ()
    assert found.unsold_units == 0


@pytest.mark.run
def test_a_leader_of_yesterday_writes_where_nobody_looks_at_its_number(ground: Ground) -> None:
    """Who comes first is a race, so it is asked at several seeds, as the matrix asks its controls."""
    control = row("P3.stale_leader").control
    assert control is not None

    found = (held(control, replace(ground, seed=seed)) for seed in range(1, CONTROL_SEEDS_MAX + 1))

    assert any(
        violation.startswith("stale_leader_committed") for trial in found for violation in trial.violations
    )


def test_every_row_says_what_it_breaks_in_both_languages() -> None:
    assert len({each.row_id for each in ROWS}) == len(ROWS)
    assert all(each.stage == "house" and each.what and each.what_zh for each in ROWS)
