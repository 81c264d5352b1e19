"""What the provider tells us: proven, stored in one transaction with its effect, and only then answered with 2xx."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader

from gateway import metrics
from gateway.answers import NoticeAnswer
from gateway.callers import PartsOf
from gateway.describe import answers
from kit.provider import Notice, PaymentNotice, PayoutNotice, WebhookRefused, read_notice

_signature_scheme = APIKeyHeader(
    name="webhook-signature",
    scheme_name="webhook",
    description="Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature over the raw body",
    auto_error=False,
)
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_ANSWERS: Final = answers("webhook_refused", "unavailable")


def _described(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The body and headers of a webhook; it is verified as raw bytes, so FastAPI must not read it."""
    (_,), components = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string", "maxLength": 256}}
        for name in ("webhook-id", "webhook-timestamp")
    ]
    schema = {**components[kind.__name__], "title": kind.__name__}
    return {
        "parameters": headers,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


async def _read(request: Request, secret: str, kind: type[Notice]) -> Notice:
    try:
        return read_notice(secret, request.headers, await request.body(), kind)
    except WebhookRefused as refused:
        metrics.REFUSED_TOKENS.row("webhook")[refused.reason] += 1
        raise


@router.post("/payments", responses=_ANSWERS, openapi_extra=_described(PaymentNotice))
async def payment_notice(
    request: Request, parts: PartsOf, _described: Annotated[object, Depends(_signature_scheme)]
) -> NoticeAnswer:
    """A payment or refund at the provider; repeats, late ones and any order are welcome."""
    notice = await _read(request, parts.webhook_secret, PaymentNotice)
    async with parts.postgres.unit_of_work() as session:
        outcome = await parts.payments.record_notice(session, notice)
    return NoticeAnswer(outcome=outcome)


@router.post("/payouts", responses=_ANSWERS, openapi_extra=_described(PayoutNotice))
async def payout_notice(
    request: Request, parts: PartsOf, _described: Annotated[object, Depends(_signature_scheme)]
) -> NoticeAnswer:
    """A payout at the provider."""
    notice = await _read(request, parts.webhook_secret, PayoutNotice)
    async with parts.postgres.unit_of_work() as session:
        outcome = await parts.payouts.record_notice(session, notice)
    return NoticeAnswer(outcome=outcome)
