"""The provider executes each key once, keeps its book through restarts, and is not fooled by other parameters."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kit.provider import ProviderClient, ProviderRefused, ProviderUnknown
from tests.ops.simulator.running import RunningSimulator, running_simulator


def payment_body(**changes: Any) -> dict[str, Any]:
    return {"payment_id": str(uuid4()), "amount_minor": 1299, "currency": "CNY", "title": "键盘 x1"} | changes


def payout_body(**changes: Any) -> dict[str, Any]:
    body = {
        "provider_key": f"{uuid4()}:1",
        "user_id": "u-1",
        "kind": "cash",
        "amount_minor": 500,
        "currency": "CNY",
    }
    return body | {"coupon_code": None} | changes


async def _pay_out(http: httpx.AsyncClient, body: dict[str, Any], **options: Any) -> httpx.Response:
    return await http.post(
        "/payouts", json=body, headers={"Idempotency-Key": body["provider_key"]}, **options
    )


async def test_a_payment_asked_for_again_is_the_same_and_another_amount_is_a_conflict(
    simulator: RunningSimulator,
) -> None:
    body = payment_body()
    async with simulator.http() as http:
        first = (await http.post("/payments", json=body)).json()
        assert first["pay_url"] == f"{simulator.url}/pay/{body['payment_id']}"
        assert (await http.post("/payments", json=body)).json() == first
        assert (await http.post("/payments", json=body | {"amount_minor": 1})).status_code == 409
        assert (await http.get(f"/payments/{body['payment_id']}")).json()["state"] == "created"
        assert (await http.get(f"/payments/{uuid4()}")).status_code == 404


async def test_a_decision_is_taken_once(simulator: RunningSimulator) -> None:
    body = payment_body()
    async with simulator.http() as http:
        await http.post("/payments", json=body)
        for _ in range(3):
            answer = await http.post(f"/pay/{body['payment_id']}", json={"outcome": "succeed"})
            assert (answer.status_code, answer.json()) == (200, {"state": "succeeded"})
        answer = await http.post(f"/pay/{body['payment_id']}", json={"outcome": "refuse"})
        assert (answer.status_code, answer.json()) == (409, {"code": "already_decided"})
    assert [effect.key for effect in simulator.effects("payment")] == [body["payment_id"]]


async def test_a_refund_gives_back_once_and_only_what_was_paid(simulator: RunningSimulator) -> None:
    body = payment_body()
    refund = {"payment_id": body["payment_id"]}
    async with simulator.http() as http:
        await http.post("/payments", json=body)
        assert (await http.post("/refunds", json=refund)).status_code == 409
        await http.post(f"/pay/{body['payment_id']}", json={"outcome": "succeed"})
        for _ in range(2):
            assert (await http.post("/refunds", json=refund)).json()["state"] == "refunded"
    assert len(simulator.effects("refund")) == 1


async def test_a_payout_key_is_executed_once_and_answers_the_same_for_ever(
    simulator: RunningSimulator,
) -> None:
    body = payout_body()
    async with simulator.http() as http:
        first = (await _pay_out(http, body)).json()
        assert first["state"] == "paid"
        assert (await _pay_out(http, body)).json() == first
        assert (await http.get(f"/payouts/{body['provider_key']}")).json() == first
        assert (await _pay_out(http, body | {"amount_minor": 1})).status_code == 409
        wrong = {"Idempotency-Key": "other"}
        assert (await http.post("/payouts", json=body, headers=wrong)).status_code == 409
    assert len(simulator.effects()) == 1


async def test_a_declined_key_stays_declined_and_has_no_effect(simulator: RunningSimulator) -> None:
    body = payout_body()
    async with simulator.http() as http:
        simulator.misbehave(payout_decline_ratio=1)
        first = (await _pay_out(http, body)).json()
        simulator.misbehave()
        assert (first["state"], first["retryable"]) == ("declined", True)
        assert (await _pay_out(http, body)).json() == first
    assert simulator.effects() == []


async def test_silence_executes_and_an_error_does_not(simulator: RunningSimulator) -> None:
    silent, failed = payout_body(), payout_body()
    async with simulator.http() as http:
        simulator.misbehave(payout_silent_ratio=1)
        with pytest.raises(httpx.ReadTimeout):
            await _pay_out(http, silent, timeout=0.2)
        assert (await http.get(f"/payouts/{silent['provider_key']}")).json()["state"] == "paid"
        simulator.misbehave(payout_error_ratio=1)
        assert (await _pay_out(http, failed)).status_code == 500
        assert (await http.get(f"/payouts/{failed['provider_key']}")).status_code == 404
    assert [effect.key for effect in simulator.effects()] == [silent["provider_key"]]


async def test_the_same_seed_gives_the_same_faults(simulator: RunningSimulator) -> None:
    async def draw() -> list[int]:
        simulator.misbehave(payout_error_ratio=0.5, seed=42)
        async with simulator.http() as http:
            return [(await _pay_out(http, payout_body())).status_code for _ in range(12)]

    first = await draw()
    assert {200, 500} == set(first)
    assert await draw() == first


async def test_the_book_outlives_the_process_and_so_does_the_misbehaviour(tmp_path: Path) -> None:
    body = payout_body()
    async with running_simulator(tmp_path) as simulator, simulator.http() as http:
        await _pay_out(http, body)
        changed = await http.put("/misbehaviour", json={"payout_decline_ratio": 1, "seed": 7})
        assert changed.status_code == 200
    async with running_simulator(tmp_path) as simulator, simulator.http() as http:
        assert (await http.get("/misbehaviour")).json()["payout_decline_ratio"] == 1
        assert (await _pay_out(http, body)).json()["state"] == "paid"
        assert (await _pay_out(http, payout_body())).json()["state"] == "declined"
        page = (await http.get("/book", params={"after": 0})).json()
        assert [(entry["kind"], entry["key"]) for entry in page["entries"]] == [
            ("payout", body["provider_key"])
        ]
        assert (await http.get("/book", params={"after": page["next"]})).json()["entries"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/payments"),
        ("POST", "/refunds"),
        ("POST", "/payouts"),
        ("GET", "/book"),
        ("PUT", "/misbehaviour"),
    ],
)
async def test_the_shop_side_wants_the_key(simulator: RunningSimulator, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \u00e9"}):
            sent = {name: value.encode("latin-1") for name, value in headers.items()}
            assert (await http.request(method, path, headers=sent, json={})).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": -1},
        {"amount_minor": 10**16},
        {"currency": "yuan"},
        {"kind": "gold"},
        {"more": 1},
        {"user_id": ""},
    ],
)
async def test_a_payout_that_cannot_be_meant_is_refused(
    simulator: RunningSimulator, changes: dict[str, Any]
) -> None:
    async with simulator.http() as http:
        assert (await _pay_out(http, payout_body(**changes))).status_code == 422
    assert simulator.effects() == []


async def test_ratios_that_exceed_one_together_are_refused(simulator: RunningSimulator) -> None:
    async with simulator.http() as http:
        body = {"payout_silent_ratio": 0.6, "payout_error_ratio": 0.6}
        assert (await http.put("/misbehaviour", json=body)).status_code == 422


async def test_our_client_sees_what_happened(simulator: RunningSimulator) -> None:
    client = ProviderClient(simulator.settings(request_seconds=1))
    body = payment_body()
    assert (await client.post("/payments", body, idempotency_key=body["payment_id"]))["state"] == "created"
    assert await client.get(f"/payments/{uuid4()}") is None
    with pytest.raises(ProviderRefused) as refused:
        await client.post("/payments", body | {"amount_minor": 1}, idempotency_key=body["payment_id"])
    assert (refused.value.reason, refused.value.status) == ("parameters_differ", 409)
    simulator.misbehave(payment_error_ratio=1)
    other = payment_body()
    with pytest.raises(ProviderUnknown, match="status_500"):
        await client.post("/payments", other, idempotency_key=other["payment_id"])
    await client.close()
