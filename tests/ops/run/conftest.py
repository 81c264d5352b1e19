"""Plans of runs, and stages for whole ones, with ports that nobody else has."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.embedded.ports import free_port, free_ports_in_a_row
from ops.run.plan import Ports, RunPlan
from tests.ops.run.stage import Stage, a_stage

PROBES = 6

MakePlan = Callable[..., RunPlan]


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    def make(**changes: object) -> RunPlan:
        given = {
            "folder": tmp_path / "run",
            "crowd": 2000,
            "once": True,
            "kill": (),
            "kill_after_seconds": 1.0,
            "faults": False,
            "seed": 1,
            "sale_file": Path("examples/double11.yaml"),
            "ports": Ports(
                gateway_port=free_port(),
                console_port=free_port(),
                simulator_port=free_port(),
                run_health_port_base=free_ports_in_a_row(PROBES),
            ),
            **changes,
        }
        plan = RunPlan(**given)
        plan.logs.mkdir(parents=True, exist_ok=True)
        return plan

    return make


@pytest.fixture
def stage() -> Iterator[Stage]:
    with a_stage() as stage:
        yield stage
