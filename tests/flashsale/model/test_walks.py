"""The service beside a plain model, on random walks; `FLOODGATE_WALKS=N` takes N of them, other ones each time."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from kit.embedded import ServerUrls
from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.settings import RedisSettings
from tests.flashsale.model.plain import Model, Sum
from tests.flashsale.model.walk import Walk, World
from tests.patience import patient

WALKS: Final = int(os.environ.get("FLOODGATE_WALKS", "0"))
# Without the variable the same walks each time, so that the suite says of one commit one thing. One walk a seed: of
# several, hypothesis makes most by changing the last one a little.
FIRST_SEED: Final = secrets.randbelow(2**32) if WALKS else 1
CONFIG: Final = settings(
    max_examples=1,
    stateful_step_count=30,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if WALKS else [Phase.generate],
)


@pytest.fixture(scope="module")
def world(servers: ServerUrls) -> Iterator[World]:
    redis_settings = RedisSettings(
        redis_queue_url=servers.redis_queue,
        redis_stock_url=servers.redis_stock,
        redis_limits_url=servers.redis_limits,
        redis_broker_url=servers.redis_broker,
    )
    with asyncio.Runner() as runner:
        postgres = Postgres(patient(servers.database))
        redis = RedisRoles.connect(redis_settings)
        yield World(runner, postgres, redis)
        runner.run(redis.close())
        runner.run(postgres.close())


def _walk(world: World, model: type[Model], walks: int, config: settings) -> None:
    for number in range(walks):
        walk = type("Walk", (Walk,), {"world": world, "model_of": model})
        run_state_machine_as_test(seed(FIRST_SEED + number)(walk), settings=config)  # type: ignore[no-untyped-call]


@pytest.mark.timeout(0 if WALKS else 300)
def test_the_service_does_what_a_plain_model_does_on_every_walk(world: World) -> None:
    _walk(world, Model, WALKS or 8, CONFIG)


class ForgetsReturns(Model):
    """Units of a released hold stay taken."""

    def units(self, user: str | None = None) -> int:
        released = [hold for hold in self.holds.values() if hold["state"] == "released"]
        return super().units(user) + sum(hold["units"] for hold in released if user in (None, hold["user"]))


class ServesTwice(Model):
    """A second payment of one reservation is called a confirmation."""

    def hear_paid(self, payment: UUID, paid: Sum) -> str:
        was_bought = self.is_bought(self.payments[payment]["hold"])
        said = super().hear_paid(payment, paid)
        return self.serve(payment, "confirmed") if was_bought and said == "refund_due" else said


class TakesAnySum(Model):
    """What was paid is not compared with what is due."""

    def hear_paid(self, payment: UUID, paid: Sum) -> str:
        return super().hear_paid(payment, self.due(self.payments[payment]["hold"]))


@pytest.mark.parametrize("broken", [ForgetsReturns, ServesTwice, TakesAnySum])
def test_a_model_with_one_rule_broken_is_told_apart(world: World, broken: type[Model]) -> None:
    """The control: each of them is found within a few walks."""
    with pytest.raises(AssertionError):
        _walk(world, broken, 40, settings(CONFIG, phases=[Phase.generate]))
