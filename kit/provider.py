"""The payment and payout provider: one HTTP client, and the verification of its webhooks (Standard Webhooks).

A call whose answer did not come has an unknown outcome: the caller asks later with the same key and never assumes.
Nothing is retried here; whoever owns the row knows whether and when.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta
from pydantic import Field
from pydantic_settings import BaseSettings
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from kit.errors import DomainError, StartRefused
from kit.money import AMOUNT_MINOR_MAX
from kit.outgoing import Answer, HttpClient, Unanswered
from kit.settings import room_config
from kit.steps import reached

CONNECT_SECONDS_MAX: Final = 1.0  # a provider that does not accept in a second is away
CONNECTIONS_MAX: Final = 32  # more calls at once than a provider of ours ever granted a client
SECRET_BYTES_MIN: Final = 24  # Standard Webhooks: between 24 and 64 bytes
FAILURES_TO_OPEN: Final = 5  # in a row without any answer: one lost answer is noise, five are an outage
OPEN_SECONDS: Final = (
    2.0  # then one call probes; long enough to spare threads, short enough to resume at once
)

# 4xx that say "not now" rather than "no": what they did is not known to us, so it is asked for.
_NOT_NOW: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class ProviderSettings(BaseSettings):
    """Where the provider is and the secrets shared with it."""

    model_config = room_config("PROVIDER_")

    url: str = ""
    api_key: str = ""
    webhook_secret: str = ""
    # Answers take well under a second; what takes longer, from connecting to the last byte, is asked for later.
    request_seconds: float = Field(default=3.0, gt=0, le=30)


class ProviderUnknown(DomainError):
    """No answer, or one that says nothing: the call may or may not have had its effect. Facts: `reason`."""

    code = "provider_unknown"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(retry_after_seconds=2.0, reason=reason)


class ProviderRefused(DomainError):
    """The provider answered no (4xx). Facts: `reason`, `status`."""

    code = "provider_refused"

    def __init__(self, reason: str, *, status: int = 400) -> None:
        self.reason = reason
        self.status = status
        super().__init__(reason=reason, status=status)


class WebhookRefused(DomainError):
    """Not a webhook of the provider. `reason` is for counters, never for the answer."""

    code = "webhook_refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason=reason)


EventId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z")]
ProviderKey = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}\Z")]
AmountMinor = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Instant = Annotated[datetime, Meta(tz=True)]


class PaymentNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says about a payment. Unknown fields are borne: providers add some without asking."""

    event_id: EventId
    type: Literal["payment.succeeded", "payment.refused", "refund.succeeded"]
    payment_id: UUID
    amount_minor: AmountMinor
    currency: Currency
    occurred_at: Instant


class PayoutNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says about a payout attempt. It rings; the attempt is then asked for."""

    event_id: EventId
    type: Literal["payout.paid", "payout.declined"]
    provider_key: ProviderKey
    occurred_at: Instant


Notice = TypeVar("Notice", PaymentNotice, PayoutNotice)


def parse_webhook_secret(text: str) -> str:
    """The secret, checked once at start. Raises `StartRefused` for what is no `whsec_<base64>`."""
    prefix, secret = text[:6], text[6:]
    try:
        usable = prefix == "whsec_" and len(base64.b64decode(secret, validate=True)) >= SECRET_BYTES_MIN
    except (binascii.Error, ValueError):
        usable = False
    if not usable:
        raise StartRefused(
            "PROVIDER_WEBHOOK_SECRET must be whsec_<base64 of at least 24 bytes>: "
            '`echo "whsec_$(openssl rand -base64 32)"` makes one.'
        )
    return text


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The body, once its signature and age (5 minutes either way) are proven.

    Raises `WebhookRefused` for anything else: missing or odd headers, a stale timestamp, bytes that are not UTF-8.
    """
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except WebhookVerificationError:
        raise WebhookRefused("bad_signature") from None
    except ValueError:  # the library unpacks and decodes headers unguarded
        raise WebhookRefused("malformed") from None
    return body


def read_notice(secret: str, headers: Mapping[str, str], body: bytes, kind: type[Notice]) -> Notice:
    """The notice in a verified webhook. Raises `WebhookRefused`; reason `unreadable` for a body of another shape."""
    try:
        return msgspec.json.decode(verify_webhook(secret, headers, body), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WebhookRefused("unreadable") from None


class Breaker:
    """Stops calling a provider that does not answer; after `OPEN_SECONDS` one call probes.

    Threads that wait for time-outs are threads that pay nobody; and a provider that comes back is not met by a crowd.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._closed_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES_TO_OPEN

    def admit(self) -> None:
        """Raises `ProviderUnknown("breaker_open")` while the provider is left alone."""
        if not self.is_open:
            return
        if self._now() < self._closed_until:
            raise ProviderUnknown("breaker_open")
        self._closed_until = self._now() + OPEN_SECONDS  # the next caller waits for this probe

    def answered(self) -> None:
        self._failures = 0

    def unanswered(self) -> None:
        self._failures += 1
        self._closed_until = self._now() + OPEN_SECONDS


class ProviderClient:
    """Calls the provider. Connects at its first call, in the event loop of that call."""

    def __init__(self, settings: ProviderSettings) -> None:
        if not settings.url.startswith(("http://", "https://")):
            raise StartRefused(
                "Set PROVIDER_URL to the provider's address (http://127.0.0.1:8082 for the simulator)."
            )
        if not (settings.api_key.isascii() and settings.api_key.isprintable() and settings.api_key):
            raise StartRefused("Set PROVIDER_API_KEY to the key the provider gave you.")
        self.breaker = Breaker()
        try:
            self._http = HttpClient(
                settings.url,
                headers={"Authorization": f"Bearer {settings.api_key}"},
                connect_seconds_max=CONNECT_SECONDS_MAX,
                call_seconds_max=CONNECT_SECONDS_MAX + settings.request_seconds,
                connections_max=CONNECTIONS_MAX,
            )
        except ValueError as error:
            raise StartRefused(
                f"PROVIDER_URL is no address that can be called ({error}): correct it."
            ) from error

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """The answer of a call that the provider executes once a key. Raises `ProviderUnknown`, `ProviderRefused`."""
        headers = {"Idempotency-Key": idempotency_key, "Content-Type": "application/json"}
        return _read(await self._send("POST", path, msgspec.json.encode(body), headers))

    async def get(self, path: str) -> dict[str, Any] | None:
        """What the provider knows, None where it knows nothing. Raises `ProviderUnknown`, `ProviderRefused`."""
        answer = await self._send("GET", path)
        return None if answer.status == HTTPStatus.NOT_FOUND else _read(answer)

    async def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.breaker.admit()
        reached("provider.before")
        try:
            answer = await self._http.request(method, path, body=body, headers=headers)
        except Unanswered as error:
            self.breaker.unanswered()
            raise ProviderUnknown(error.reason) from error
        self.breaker.answered()
        reached("provider.after")
        return answer

    async def close(self) -> None:
        await self._http.close()


def _read(answered: Answer) -> dict[str, Any]:
    status = answered.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_NOW:
        raise ProviderUnknown(f"status_{status}")
    try:
        answer = msgspec.json.decode(answered.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if status >= HTTPStatus.BAD_REQUEST:
        reason = answer.get("code") if isinstance(answer, dict) else None
        raise ProviderRefused(reason if isinstance(reason, str) else f"status_{status}", status=status)
    if status >= HTTPStatus.MULTIPLE_CHOICES or not isinstance(answer, dict):
        raise ProviderUnknown("unreadable_answer")
    return answer
