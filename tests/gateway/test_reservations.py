"""Holding, looking, paying and giving back over HTTP: durable, idempotent, and each refusal in its own words."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.gateway.scene import SKU, Scene, assert_problem


async def test_a_reservation_is_held_with_its_amount_and_deadline(scene: Scene) -> None:
    answer = await scene.reserve(await scene.admission("ann"), quantity=2, phone="13800008000")
    assert answer.status_code == 201
    held = answer.json()
    assert (held["state"], held["sku"], held["quantity"]) == ("held", SKU, 2)
    assert (held["amount_minor"], held["currency"]) == (2 * 1999, "CNY")
    assert held["held_at"] < held["expires_at"]
    assert held["expires_at"].endswith("Z")
    assert "Idempotency-Replayed" not in answer.headers


async def test_the_same_key_gets_the_same_answer_and_says_that_it_is_a_replay(scene: Scene) -> None:
    admission, key = await scene.admission("ann"), uuid4().hex
    first = await scene.reserve(admission, key=key)
    again = await scene.reserve(admission, key=key)
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_the_same_key_for_another_wish_is_refused(scene: Scene) -> None:
    admission, key = await scene.admission("ann"), uuid4().hex
    await scene.reserve(admission, key=key)
    assert_problem(await scene.reserve(admission, key=key, quantity=2), 422, "key_reused")


async def test_more_than_one_person_may_have_is_refused_with_the_limit(scene: Scene) -> None:
    answer = await scene.reserve(await scene.admission("ann"), quantity=3)
    assert assert_problem(answer, 409, "limit_reached")["per_user_limit"] == 2


async def test_what_is_gone_is_sold_out(closed: Scene) -> None:
    await closed.open_sale(total=1)
    await closed.hold("ann")
    assert_problem(await closed.reserve(await closed.admission("ben")), 409, "sold_out")


async def test_an_unknown_item_is_named_so(scene: Scene) -> None:
    assert_problem(await scene.reserve(await scene.admission("ann"), sku="nothing"), 404, "item_unknown")


async def test_a_key_that_is_none_is_refused_before_anything_happens(scene: Scene) -> None:
    admission, body = await scene.admission("ann"), {"sku": SKU, "quantity": 1}
    for key in (None, b"", b" ", b"k" * 65, b"a b", "schlüssel".encode()):
        headers = {"Authorization": f"Bearer {admission}".encode()}
        if key is not None:
            headers["Idempotency-Key"] = key
        answer = await scene.http.post(f"{scene.path}/reservations", headers=headers, json=body)
        assert_problem(answer, 400, "key_missing")


QUANTITIES = (
    "0", "-1", "10001", "9223372036854775807", "1" + "0" * 30, "1.5", "1.0", '"1"', "true", "null", "[1]", "{}",
)  # fmt: skip


async def test_a_quantity_that_is_none_leaves_the_stock_untouched(scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {await scene.admission('ann')}", "Content-Type": "application/json"}
    for quantity in QUANTITIES:
        answer = await scene.http.post(
            f"{scene.path}/reservations",
            headers={**headers, "Idempotency-Key": uuid4().hex},
            content=f'{{"sku": "{SKU}", "quantity": {quantity}}}',
        )
        problem = assert_problem(answer, 422, "invalid_request")
        assert [error["pointer"] for error in problem["errors"]] == ["#/quantity"], quantity
    mine = await scene.http.get("/v1/me/reservations", headers=scene.signed_in("ann"))
    assert mine.json() == {"reservations": []}


async def test_the_owner_sees_and_gives_back_a_hold_and_again_hears_the_same(scene: Scene) -> None:
    held = await scene.hold("ann")
    path, me = f"/v1/reservations/{held['reservation_id']}", scene.signed_in("ann")
    assert (await scene.http.get(path, headers=me)).json() == held
    released = await scene.http.delete(path, headers=me)
    assert released.status_code == 200
    assert (released.json()["state"], released.json()["end_reason"]) == ("released", "by_user")
    assert (await scene.http.delete(path, headers=me)).json() == released.json()


async def test_for_anybody_else_there_is_no_such_reservation(scene: Scene) -> None:
    held = await scene.hold("ann")
    path, other = f"/v1/reservations/{held['reservation_id']}", scene.signed_in("ben")
    for answer in (
        await scene.http.get(path, headers=other),
        await scene.http.delete(path, headers=other),
        await scene.http.post(f"{path}/payment", headers=other),
        await scene.http.get(f"/v1/reservations/{uuid4()}", headers=other),
    ):
        assert_problem(answer, 404, "reservation_unknown")
    mine = await scene.http.get(path, headers=scene.signed_in("ann"))
    assert mine.json()["state"] == "held"


async def test_a_payment_is_opened_once_and_confirms_by_the_providers_notice(scene: Scene) -> None:
    held = await scene.hold("ann")
    path, me = f"/v1/reservations/{held['reservation_id']}", scene.signed_in("ann")
    first = (await scene.http.post(f"{path}/payment", headers=me)).json()
    again = (await scene.http.post(f"{path}/payment", headers=me)).json()
    assert first == again
    assert first["pay_url"].endswith(first["payment_id"])
    assert (first["amount_minor"], first["currency"], first["state"]) == (1999, "CNY", "created")
    assert (await scene.pay("ann", held)).json() == {"outcome": "confirmed"}
    assert (await scene.http.get(path, headers=me)).json()["state"] == "confirmed"
    assert_problem(await scene.http.post(f"{path}/payment", headers=me), 409, "already_paid")
    assert (
        assert_problem(await scene.http.delete(path, headers=me), 409, "hold_ended")["state"] == "confirmed"
    )


async def test_what_was_given_back_cannot_be_paid(scene: Scene) -> None:
    held = await scene.hold("ann")
    path, me = f"/v1/reservations/{held['reservation_id']}", scene.signed_in("ann")
    await scene.http.delete(path, headers=me)
    assert_problem(await scene.http.post(f"{path}/payment", headers=me), 409, "hold_ended")


async def test_a_provider_that_is_away_is_a_503_and_the_same_payment_later(scene: Scene) -> None:
    held = await scene.hold("ann")
    path, me = f"/v1/reservations/{held['reservation_id']}/payment", scene.signed_in("ann")
    scene.provider.down = True
    answer = await scene.http.post(path, headers=me)
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    scene.provider.down = False
    assert (await scene.http.post(path, headers=me)).status_code == 200


async def test_before_the_start_and_after_the_end_nothing_can_be_held(closed: Scene) -> None:
    await closed.open_sale()
    admission = await closed.admission("ann")
    real = closed.parts.book._sales[closed.sale_id]
    now = datetime.now(UTC)
    for opens_at, closes_at, status, code in (
        (now + timedelta(minutes=5), now + timedelta(hours=1), 409, "sale_not_open"),
        (now - timedelta(hours=1), now - timedelta(minutes=5), 410, "sale_over"),
    ):
        shifted = type(real)(
            **{
                **{name: getattr(real, name) for name in real.__slots__},
                "opens_at": opens_at,
                "closes_at": closes_at,
            }
        )
        closed.parts.book._sales[closed.sale_id] = shifted
        assert_problem(await closed.reserve(admission), status, code)
