"""Joining and entering over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.gateway.scene import Scene, assert_problem


async def test_the_first_call_makes_the_place_and_later_ones_give_it_again(scene: Scene) -> None:
    me = scene.signed_in("ann")
    first = await scene.http.post(f"{scene.path}/tickets", headers=me)
    again = await scene.http.post(f"{scene.path}/tickets", headers=me)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["position"] == again.json()["position"]
    other = await scene.http.post(f"{scene.path}/tickets", headers=scene.signed_in("ben"))
    assert other.json()["position"] > first.json()["position"]


async def test_before_the_turn_the_answer_says_when_to_ask_again(scene: Scene) -> None:
    ticket = await scene.ticket("ann")
    await scene.parts.rooms.refresh()
    answer = await scene.http.post(
        f"{scene.path}/admissions", headers=scene.signed_in("ann"), json={"ticket": ticket}
    )
    problem = assert_problem(answer, 409, "not_your_turn")
    assert (problem["position"], problem["frontier"]) == (0, 0)
    assert int(answer.headers["Retry-After"]) >= 1


async def test_at_the_turn_an_admission_is_given_until_a_told_instant(scene: Scene) -> None:
    ticket = await scene.ticket("ann")
    await scene.let_in()
    answer = await scene.http.post(
        f"{scene.path}/admissions", headers=scene.signed_in("ann"), json={"ticket": ticket}
    )
    assert answer.status_code == 201
    assert datetime.fromisoformat(answer.json()["expires_at"]) > datetime.now(UTC)
    assert answer.json()["position"] == 0


async def test_a_sale_nobody_knows_has_no_line(scene: Scene) -> None:
    answer = await scene.http.post("/v1/sales/no-such-sale/tickets", headers=scene.signed_in("ann"))
    assert_problem(answer, 404, "sale_unknown")


@pytest.mark.parametrize("sale", ["UPPER", "a", "-ab", "x" * 65, "a%00b", "%FF%FE", "a'b", "a;b"])
async def test_a_sale_id_of_the_wrong_form_is_refused_by_name(scene: Scene, sale: str) -> None:
    answer = await scene.http.post(f"/v1/sales/{sale}/tickets", headers=scene.signed_in("ann"))
    problem = assert_problem(answer, 422, "invalid_request")
    assert problem["errors"][0]["pointer"] == "path:sale_id"


async def test_long_before_the_start_tickets_are_not_handed_out_and_after_the_end_no_more(
    closed: Scene,
) -> None:
    now = datetime.now(UTC)
    await closed.open_sale(opens_at=now + timedelta(days=1), closes_at=now + timedelta(days=2))
    answer = await closed.http.post(f"{closed.path}/tickets", headers=closed.signed_in("ann"))
    assert_problem(answer, 409, "sale_not_open")
    assert int(answer.headers["Retry-After"]) > 3600


async def test_after_the_end_there_is_no_line_any_more(closed: Scene) -> None:
    now = datetime.now(UTC)
    await closed.open_sale(opens_at=now - timedelta(hours=2), closes_at=now - timedelta(hours=1))
    answer = await closed.http.post(f"{closed.path}/tickets", headers=closed.signed_in("ann"))
    assert_problem(answer, 410, "sale_over")


async def test_a_queue_that_is_away_is_a_503_for_joining_and_keeps_the_place(scene: Scene) -> None:
    ticket = await scene.ticket("ann")
    await scene.let_in()
    async with scene.queue_away():
        answer = await scene.http.post(f"{scene.path}/tickets", headers=scene.signed_in("ben"))
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        admitted = await scene.http.post(
            f"{scene.path}/admissions", headers=scene.signed_in("ann"), json={"ticket": ticket}
        )
        assert admitted.status_code == 201
