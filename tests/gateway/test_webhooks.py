"""What the provider tells us: proven first, stored before it is answered, repeats and strangers harmless."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.gateway.scene import SECRET, Scene, assert_problem, payment_notice, webhook_headers


async def test_a_repeated_notice_has_one_effect(scene: Scene) -> None:
    held = await scene.hold("ann")
    me = scene.signed_in("ann")
    handle = (await scene.http.post(f"/v1/reservations/{held['reservation_id']}/payment", headers=me)).json()
    notice = payment_notice(handle["payment_id"], handle["amount_minor"])
    outcomes = [(await scene.notify("payments", notice)).json()["outcome"] for _ in range(3)]
    assert outcomes == ["confirmed", "duplicate", "duplicate"]


async def test_a_notice_about_a_payment_nobody_knows_is_stored_and_answered(scene: Scene) -> None:
    answer = await scene.notify("payments", payment_notice(uuid4(), 1))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "unmatched"})


async def test_a_payout_notice_about_an_attempt_nobody_knows_is_stored_and_answered(scene: Scene) -> None:
    notice = {
        "event_id": uuid4().hex,
        "type": "payout.paid",
        "provider_key": "nobody-1",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    answer = await scene.notify("payouts", notice)
    assert (answer.status_code, answer.json()) == (200, {"outcome": "unmatched"})
    assert (await scene.notify("payouts", notice)).json() == {"outcome": "duplicate"}


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-signature": "v1,Zm9yZ2Vk"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v2,AAAA v1a,BBBB"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-timestamp": "nan"},
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
    ],
    ids=str,
)
async def test_what_is_not_proven_is_refused_and_changes_nothing(
    scene: Scene, changes: dict[str, str]
) -> None:
    answer = await scene.notify("payments", payment_notice(uuid4(), 1), **changes)
    assert_problem(answer, 401, "webhook_refused")


async def test_an_old_or_foreign_signature_is_refused(scene: Scene) -> None:
    body = msgspec.json.encode(payment_notice(uuid4(), 1))
    foreign = "whsec_" + "Zm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2Vk"
    for headers in (
        webhook_headers(body, at=datetime.now(UTC) - timedelta(minutes=6)),
        webhook_headers(body, at=datetime.now(UTC) + timedelta(minutes=6)),
        webhook_headers(body, secret=foreign),
        webhook_headers(body + b" "),
        {"content-type": "application/json"},
    ):
        answer = await scene.http.post("/v1/webhooks/payments", content=body, headers=headers)
        assert_problem(answer, 401, "webhook_refused")
    assert foreign != SECRET


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "payment.maybe"},
        {"payment_id": "7"},
        {"amount_minor": -1},
        {"amount_minor": 1.5},
        {"amount_minor": 10**30},
        {"currency": "yuan"},
        {"occurred_at": "yesterday"},
        {"event_id": "\u0000"},
    ],
    ids=str,
)
async def test_a_signed_notice_of_another_shape_is_refused(scene: Scene, changes: dict[str, Any]) -> None:
    answer = await scene.notify("payments", {**payment_notice(uuid4(), 1), **changes})
    assert_problem(answer, 401, "webhook_refused")


async def test_bytes_that_are_no_text_are_refused(scene: Scene) -> None:
    body = b"\xff\xfe"
    answer = await scene.http.post("/v1/webhooks/payments", content=body, headers={**webhook_headers(b"{}")})
    assert_problem(answer, 401, "webhook_refused")


async def test_what_cannot_be_stored_now_is_not_acknowledged(scene: Scene) -> None:
    async with scene.postgres_away():
        answer = await scene.notify("payments", payment_notice(uuid4(), 1))
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
