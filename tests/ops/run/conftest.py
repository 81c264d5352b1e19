"""Plans of runs with ports that nobody else has."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from kit.embedded.ports import free_port, is_taken
from ops.run.plan import Ports, RunPlan

PROBES = 6
TRIES_MAX = 200

MakePlan = Callable[..., RunPlan]


def free_base() -> int:
    """The first of six free ports in a row."""
    for _ in range(TRIES_MAX):
        base = free_port()
        if base + PROBES > 65535 or any(is_taken("127.0.0.1", base + place) for place in range(PROBES)):
            continue
        with ExitStack() as held:
            try:
                for place in range(PROBES):
                    held.enter_context(socket.create_server(("127.0.0.1", base + place)))
            except OSError:
                continue
        return base
    raise AssertionError("no six free ports in a row")


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    def make(**changes: object) -> RunPlan:
        given = {
            "folder": tmp_path / "run",
            "crowd": 2000,
            "once": True,
            "kill": None,
            "kill_after_seconds": 1.0,
            "faults": False,
            "seed": 1,
            "sale_file": Path("examples/double11.yaml"),
            "ports": Ports(
                gateway_port=free_port(),
                console_port=free_port(),
                simulator_port=free_port(),
                run_health_port_base=free_base(),
            ),
            **changes,
        }
        plan = RunPlan(**given)
        plan.logs.mkdir(parents=True, exist_ok=True)
        return plan

    return make
