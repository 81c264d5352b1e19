"""The provider's client never guesses an outcome; a webhook is believed only when its signature and age are proven."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

from kit import provider
from kit.errors import StartRefused
from kit.outgoing import Answer, Unanswered
from kit.provider import (
    Breaker,
    PaymentNotice,
    PayoutNotice,
    ProviderClient,
    ProviderRefused,
    ProviderSettings,
    ProviderUnknown,
    WebhookRefused,
    parse_webhook_secret,
    read_notice,
    verify_webhook,
)
from tests.kit.outgoing import Asked, ToldClient

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def _signed(body: str, *, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("evt_1", at, body),
    }


def _notice(**changes: Any) -> str:
    fields = {
        "event_id": "evt_1", "type": "payment.succeeded", "payment_id": str(uuid4()), "amount_minor": 1,
        "currency": "CNY", "occurred_at": "2026-11-11T00:00:00Z",
    }  # fmt: skip
    return json.dumps(fields | changes)


def test_a_signed_notice_is_read_and_unknown_fields_are_borne() -> None:
    body = _notice(more={"from": "the provider"})
    notice = read_notice(SECRET, _signed(body), body.encode(), PaymentNotice)
    assert (notice.type, notice.amount_minor, notice.occurred_at.year) == ("payment.succeeded", 1, 2026)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "payment.maybe"},
        {"amount_minor": -1},
        {"amount_minor": 1.5},
        {"amount_minor": 10**18},
        {"currency": "cny"},
        {"event_id": ""},
        {"event_id": "with\x00nul"},
        {"payment_id": "7"},
        {"occurred_at": "2026-11-11T00:00:00"},
    ],
)
def test_a_signed_body_of_another_shape_is_unreadable(changes: dict[str, Any]) -> None:
    body = _notice(**changes)
    with pytest.raises(WebhookRefused, match="unreadable"):
        read_notice(SECRET, _signed(body), body.encode(), PaymentNotice)


def test_a_payout_notice_is_not_a_payment_notice() -> None:
    body = json.dumps(
        {"event_id": "e", "type": "payout.paid", "provider_key": "p:1", "occurred_at": "2026-11-11T00:00:00Z"}
    )
    assert read_notice(SECRET, _signed(body), body.encode(), PayoutNotice).provider_key == "p:1"
    with pytest.raises(WebhookRefused, match="unreadable"):
        read_notice(SECRET, _signed(body), body.encode(), PaymentNotice)


Spoil = Callable[[dict[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: {},
        lambda headers: headers | {"Webhook-Signature": ""},
        lambda headers: headers | {"Webhook-Signature": "nothing"},
        lambda headers: headers | {"Webhook-Signature": "v1,###"},
        lambda headers: headers | {"Webhook-Signature": "v1,\u00e9"},
        lambda headers: headers | {"Webhook-Signature": "v2," + headers["Webhook-Signature"][3:]},
        lambda headers: headers | {"Webhook-Signature": headers["Webhook-Signature"] + ",x"},
        lambda headers: headers | {"Webhook-Timestamp": "nan"},
        lambda headers: headers | {"Webhook-Timestamp": "9" * 400},
        lambda headers: headers | {"Webhook-Timestamp": "soon"},
        lambda headers: headers | {"Webhook-Id": "evt_2"},
    ],
)
def test_spoiled_headers_are_refused_and_never_an_error(spoil: Spoil) -> None:
    body = _notice()
    with pytest.raises(WebhookRefused):
        verify_webhook(SECRET, spoil(_signed(body)), body.encode())


def test_stale_foreign_changed_and_undecodable_bodies_are_refused() -> None:
    body = _notice()
    now = datetime.now(UTC)
    other = "whsec_" + base64.b64encode(b"another secret of thirty-two byte").decode()
    cases = [
        (_signed(body, at=now - timedelta(minutes=6)), body.encode()),
        (_signed(body, at=now + timedelta(minutes=6)), body.encode()),
        (_signed(body, secret=other), body.encode()),
        (_signed(body), body.encode() + b" "),
        (_signed(body), b"\xff\xfe"),
    ]
    for headers, raw in cases:
        with pytest.raises(WebhookRefused):
            verify_webhook(SECRET, headers, raw)


def test_several_signatures_let_a_secret_be_rotated() -> None:
    body = _notice()
    headers = _signed(body)
    headers["Webhook-Signature"] = "v1,AAAA " + headers["Webhook-Signature"]
    assert verify_webhook(SECRET, headers, body.encode()) == body.encode()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_short", "whsec_#" * 20, SECRET.removeprefix("whsec_")])
def test_a_secret_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(StartRefused, match="PROVIDER_WEBHOOK_SECRET"):
        parse_webhook_secret(text)
    assert parse_webhook_secret(SECRET) == SECRET


@pytest.mark.parametrize(
    ("settings", "variable"),
    [({"url": "", "api_key": "k"}, "PROVIDER_URL"), ({"url": "ftp://x", "api_key": "k"}, "PROVIDER_URL"),
     ({"url": "http://x:port", "api_key": "k"}, "PROVIDER_URL"), ({"url": "http://x", "api_key": ""}, "PROVIDER_API_KEY"),
     ({"url": "http://x", "api_key": "\u00e9"}, "PROVIDER_API_KEY")],
)  # fmt: skip
def test_a_client_without_an_address_or_key_is_refused_at_the_start(
    settings: dict[str, str], variable: str
) -> None:
    with pytest.raises(StartRefused, match=variable):
        ProviderClient(ProviderSettings(**settings))  # type: ignore[arg-type]


def _client(answer: Callable[[Asked], Answer]) -> ProviderClient:
    client = ProviderClient(
        ProviderSettings(url="http://provider.example", api_key="key", webhook_secret=SECRET)
    )
    client._http = ToldClient(answer)
    return client


async def test_a_call_carries_the_key_of_the_shop_and_of_the_operation() -> None:
    async def provide(request: web.Request) -> web.Response:
        seen.append((request.path, dict(request.headers), await request.json()))
        return web.json_response({"state": "created"})

    seen: list[tuple[str, dict[str, str], Any]] = []
    app = web.Application()
    app.router.add_post("/v1/payments", provide)
    async with TestServer(app) as server:
        client = ProviderClient(ProviderSettings(url=str(server.make_url("/v1/")), api_key="key"))
        assert await client.post("/payments", {"a": 1}, idempotency_key="op-1") == {"state": "created"}
        await client.close()
    ((path, headers, body),) = seen
    assert (path, body) == ("/v1/payments", {"a": 1})
    assert (headers["Authorization"], headers["Idempotency-Key"]) == ("Bearer key", "op-1")
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b""),
        Answer(503, b'{"code":"x"}'),
        Answer(429, b""),
        Answer(408, b""),
        Answer(302, b""),
        Answer(200, b"not json"),
        Answer(200, b"\xff"),
        Answer(200, b"[1]"),
    ],
)
async def test_an_answer_that_says_nothing_is_unknown(answer: Answer) -> None:
    with pytest.raises(ProviderUnknown):
        await _client(lambda _: answer).post("/payouts", {}, idempotency_key="k")


async def test_a_no_names_its_reason_and_not_found_is_none_only_when_asked() -> None:
    refused = _client(lambda _: Answer(409, b'{"code":"parameters_differ"}'))
    with pytest.raises(ProviderRefused) as no:
        await refused.post("/payouts", {}, idempotency_key="k")
    assert (no.value.reason, no.value.status) == ("parameters_differ", 409)
    missing = _client(lambda _: Answer(404, b'["?"]'))
    assert await missing.get("/payouts/k") is None
    with pytest.raises(ProviderRefused, match="status_404"):
        await missing.post("/payouts", {}, idempotency_key="k")


async def test_an_answer_that_drips_is_unknown_and_counts_as_a_silence() -> None:
    """Each byte comes within the time a read may take; the whole never ends."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(0.02)
        finally:
            writer.transport.abort()
            ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = ProviderClient(
            ProviderSettings(url=f"http://127.0.0.1:{port}", api_key="key", request_seconds=0.2)
        )
        async with asyncio.timeout(20):
            with pytest.raises(ProviderUnknown, match="TimeoutError"):
                await client.get("/payouts/k")
        assert client.breaker._failures == 1
        await client.close()
        async with asyncio.timeout(20):
            await ended.wait()
        await asyncio.sleep(0)  # the aborted connection tells the loop so in its next turn


async def test_after_five_silences_the_provider_is_left_alone_until_a_probe_is_due() -> None:
    calls = 0
    away = True

    def answer(_: Asked) -> Answer:
        nonlocal calls
        calls += 1
        if away:
            raise Unanswered("away")
        return Answer(200, b"{}")

    instant = 1_000.0
    client = _client(answer)
    client.breaker = Breaker(lambda: instant)
    for _ in range(9):
        with pytest.raises(ProviderUnknown):
            await client.get("/payouts/k")
    assert (calls, client.breaker.is_open) == (5, True)
    instant += provider.OPEN_SECONDS
    away = False
    assert await client.get("/payouts/k") == {}
    assert (calls, client.breaker.is_open) == (6, False)


def test_while_one_call_probes_the_others_still_wait() -> None:
    instant = 1_000.0
    breaker = Breaker(lambda: instant)
    for _ in range(5):
        breaker.unanswered()
    instant += provider.OPEN_SECONDS
    breaker.admit()
    with pytest.raises(ProviderUnknown, match="breaker_open"):
        breaker.admit()
