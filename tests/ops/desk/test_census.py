"""Everybody of a sale has one state and one reason; a contradiction among them is counted."""

import pytest

from kit.postgres import Postgres
from kit.redis import RedisRoles
from ops.desk.census import judge_shoppers, take_census
from ops.desk.places import place_finder
from ops.desk.rules import Reason, State
from tests.ops.desk.test_service import take_place
from tests.ops.invariants.scene import REFUSED, Scene


async def test_everybody_has_one_state_and_one_reason(
    scene: Scene, postgres: Postgres, redis_roles: RedisRoles
) -> None:
    await take_place(redis_roles, scene.sale_id, REFUSED, 2)
    census = await take_census(
        postgres, place_finder(redis_roles.queue), scene.sale_id, [REFUSED, "stranger"]
    )
    assert census.verdicts == {
        (State.REWARDED, Reason.REWARD_SENT): 1,
        (State.REFUNDED, Reason.MONEY_RETURNED): 1,
        (State.MISSED, Reason.SOLD_OUT): 1,
        (State.NOT_TAKING_PART, Reason.NEVER_JOINED): 1,
    }
    assert census.row().holds


async def test_a_crowd_larger_than_one_batch_is_counted_whole(
    scene: Scene, postgres: Postgres, redis_roles: RedisRoles
) -> None:
    crowd = [f"shopper-{number}" for number in range(1_100)]
    census = await take_census(postgres, place_finder(redis_roles.queue), scene.sale_id, crowd)
    assert census.verdicts.total() == 1_102


@pytest.mark.breaks("money_serves_or_returns")
async def test_facts_that_contradict_each_other_do_not_hold(
    scene: Scene, postgres: Postgres, redis_roles: RedisRoles
) -> None:
    await scene.plant("UPDATE flashsale.payments SET serves = NULL WHERE payment_id = :payment")
    row = await judge_shoppers(postgres, place_finder(redis_roles.queue), scene.sale_id)
    assert (row.id, row.value, row.holds) == ("shoppers_one_state", 1, False)


async def test_a_shopper_whom_the_rules_cannot_answer_is_counted(
    scene: Scene, postgres: Postgres, redis_roles: RedisRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.desk.rules._ORDER", ())
    row = await judge_shoppers(postgres, place_finder(redis_roles.queue), scene.sale_id)
    assert (row.value, row.holds) == (2, False)
