"""What a run is asked to do, and the ports it needs."""

import socket
from pathlib import Path

import pytest

from kit.errors import StartRefused
from kit.settings import RedisSettings
from ops.run.programs import FOLDER_MARK, PROGRAMS, book_file, shared_environment
from tests.ops.run.conftest import MakePlan


@pytest.mark.parametrize(("crowd", "units"), [(0, 300), (2000, 300), (20000, 300), (150, 22), (5, 4)])
def test_a_small_crowd_finds_so_much_less_that_it_still_buys_everything(
    make_plan: MakePlan, crowd: int, units: int
) -> None:
    assert make_plan(crowd=crowd).units == units


def test_free_ports_are_accepted(make_plan: MakePlan) -> None:
    make_plan().ports.refuse_taken()


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "CONSOLE_PORT", "SIMULATOR_PORT"])
def test_a_taken_port_is_named_with_the_variable_that_changes_it(make_plan: MakePlan, variable: str) -> None:
    ports = make_plan().ports
    port = getattr(ports, variable.lower())
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StartRefused, match=f"Port {port} .* set {variable} to a free port"),
    ):
        ports.refuse_taken()


def test_a_taken_probe_port_is_named_too(make_plan: MakePlan) -> None:
    ports = make_plan().ports
    with (
        socket.create_server(("127.0.0.1", ports.health(3))),
        pytest.raises(StartRefused, match="RUN_HEALTH_PORT_BASE"),
    ):
        ports.refuse_taken()


def test_every_run_has_secrets_of_its_own(make_plan: MakePlan) -> None:
    plan = make_plan()
    first, second = shared_environment(plan, {}), shared_environment(plan, {})
    for name in ("IDENTITY_KEYS", "QUEUEING_KEYS", "PROVIDER_API_KEY", "PROVIDER_WEBHOOK_SECRET"):
        assert first[name] != second[name]
    assert first[FOLDER_MARK] == str(plan.folder.resolve())


def test_every_program_has_a_probe_port_of_its_own_and_two_of_them_are_keepers() -> None:
    assert sorted(program.place for program in PROGRAMS) == list(range(6))
    assert sum(program.module == "ops.keeper" for program in PROGRAMS) == 2


def test_every_database_has_a_providers_book_of_its_own_that_stays_the_same(tmp_path: Path) -> None:
    first, again, other = (
        book_file(tmp_path, url) for url in ("postgresql://a/x",) * 2 + ("postgresql://a/y",)
    )
    assert first == again != other


@pytest.mark.parametrize(("crowd", "pace"), [(2000, 10), (150, 1), (20, 1)])
def test_a_besieged_sale_is_slow_enough_to_be_struck_in_its_middle(
    make_plan: MakePlan, crowd: int, pace: int
) -> None:
    assert make_plan(crowd=crowd, faults=True).rate_per_second_max == pace
    assert make_plan(crowd=crowd).rate_per_second_max == 60


def test_without_a_crowd_there_is_nothing_to_besiege(make_plan: MakePlan) -> None:
    assert make_plan(crowd=0, faults=True).besieged == ()


def test_a_siege_empties_no_redis_but_its_own(make_plan: MakePlan) -> None:
    others = RedisSettings(redis_stock_url="redis://somewhere:6379/0")
    with pytest.raises(StartRefused, match="REDIS_STOCK_URL names one that is not this run's own"):
        make_plan(faults=True).refuse_foreign_redis(others)
    make_plan(faults=True).refuse_foreign_redis(RedisSettings(redis_broker_url="redis://somewhere:6379/0"))
    make_plan().refuse_foreign_redis(others)
