"""The provider's HTTP: calls of the shop under its API key, the pay page for shoppers, the book for judges."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from kit.ids import USER_ID_PATTERN
from kit.money import AMOUNT_MINOR_MAX
from ops.simulator import page
from ops.simulator.book import Book
from ops.simulator.deliverer import Deliverer
from ops.simulator.misbehaviour import Misbehaviour
from ops.simulator.provider import Broken, Conflict, NotKnown, Provider

SILENT_SECONDS_MAX: Final = 30.0  # every caller's patience ends before; then the connection is let go
BOOK_PAGE_MAX: Final = 5_000

AmountMinor = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX, strict=True)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Key = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PaymentBody(_Body):
    payment_id: UUID
    amount_minor: AmountMinor
    currency: Currency
    title: Annotated[str, Field(max_length=500)]


class DecisionBody(_Body):
    outcome: Literal["succeed", "refuse"]
    webhook_delay_ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    webhook_copies: Annotated[int, Field(ge=1, le=10)] | None = None


class RefundBody(_Body):
    payment_id: UUID


class PayoutBody(_Body):
    provider_key: Key
    user_id: Annotated[str, Field(pattern=USER_ID_PATTERN)]
    kind: Literal["points", "coupon", "cash"]
    amount_minor: AmountMinor
    currency: Currency
    coupon_code: Annotated[str, Field(max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root hands in."""

    provider: Provider
    book: Book
    deliverer: Deliverer
    api_key: str
    address: str
    gateway_origin: str


def create_app(parts: Parts) -> FastAPI:
    """The simulator's application; its deliverer lives as long as the application does."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        deliveries = asyncio.create_task(parts.deliverer.run())
        yield
        deliveries.cancel()
        with suppress(asyncio.CancelledError):
            await deliveries

    app = FastAPI(title="Floodgate provider simulator", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[parts.gateway_origin.rstrip("/")],
        allow_methods=["GET", "POST"],
        allow_headers=["content-type"],
    )
    _say_failures(app)
    _shop_routes(app, parts)
    _payout_routes(app, parts)
    _shopper_routes(app, parts)
    _judge_routes(app, parts)
    return app


def _say_failures(app: FastAPI) -> None:
    @app.exception_handler(Conflict)
    def conflict(_request: Request, error: Conflict) -> JSONResponse:
        return JSONResponse({"code": error.code}, status_code=409)

    @app.exception_handler(NotKnown)
    def not_known(_request: Request, _error: NotKnown) -> JSONResponse:
        return JSONResponse({"code": "not_known"}, status_code=404)

    @app.exception_handler(Broken)
    def broken(_request: Request, _error: Broken) -> JSONResponse:
        return JSONResponse({"code": "broken"}, status_code=500)


def _only_with(api_key: str) -> Any:
    expected = f"Bearer {api_key}".encode()

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise HTTPException(401, "the API key is missing or wrong")

    return Depends(check)


def _shop_routes(app: FastAPI, parts: Parts) -> None:
    guard = [_only_with(parts.api_key)]

    def show(payment: dict[str, Any]) -> dict[str, Any]:
        facts = {name: payment[name] for name in ("payment_id", "amount_minor", "currency", "state")}
        return facts | {"pay_url": f"{parts.address}/pay/{payment['payment_id']}"}

    @app.post("/payments", dependencies=guard)
    async def open_payment(body: PaymentBody) -> dict[str, Any]:
        return show(
            parts.provider.open_payment(str(body.payment_id), body.amount_minor, body.currency, body.title)
        )

    @app.get("/payments/{payment_id}", dependencies=guard)
    async def read_payment(payment_id: UUID) -> dict[str, Any]:
        return show(parts.provider.payment(str(payment_id)))

    @app.post("/refunds", dependencies=guard)
    async def refund(body: RefundBody) -> dict[str, Any]:
        return show(parts.provider.refund(str(body.payment_id)))


def _payout_routes(app: FastAPI, parts: Parts) -> None:
    guard = [_only_with(parts.api_key)]

    @app.post("/payouts", dependencies=guard)
    async def pay_out(
        request: Request, body: PayoutBody, idempotency_key: Annotated[str, Header()]
    ) -> dict[str, Any]:
        if idempotency_key != body.provider_key:
            raise Conflict("keys_differ")
        result = parts.provider.pay_out(body.model_dump())
        if result.silent:
            await _say_nothing(request)
            raise Broken
        return result.answer

    @app.get("/payouts/{provider_key}", dependencies=guard)
    async def read_payout(provider_key: str) -> dict[str, Any]:
        known = parts.provider.payout(provider_key)
        if known is None:
            raise NotKnown
        return known


async def _say_nothing(request: Request) -> None:
    """Waits until the caller has hung up: the call was executed and its answer is lost."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENT_SECONDS_MAX):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _shopper_routes(app: FastAPI, parts: Parts) -> None:
    @app.get("/pay/{payment_id}")
    async def pay_page(
        payment_id: UUID,
        accept_language: Annotated[str | None, Header()] = None,
        lang: str | None = None,
        back: Annotated[str | None, Query(alias="return", max_length=512)] = None,
    ) -> HTMLResponse:
        language = page.pick_language(lang, accept_language)
        other = {"lang": "en" if language == "zh-CN" else "zh-CN"} | ({"return": back} if back else {})
        text = page.render(
            parts.provider.payment(str(payment_id)),
            language=language,
            back=page.return_address(back, parts.gateway_origin),
            other_href=f"?{urlencode(other)}",
        )
        return HTMLResponse(text, headers=page.SECURITY_HEADERS)

    @app.post("/pay/{payment_id}")
    async def decide(payment_id: UUID, body: DecisionBody) -> dict[str, str]:
        payment = parts.provider.decide(
            str(payment_id),
            body.outcome,
            webhook_delay_ms=body.webhook_delay_ms,
            webhook_copies=body.webhook_copies,
        )
        return {"state": payment["state"]}

    @app.get("/pay-assets/{name}")
    async def asset(name: str) -> Response:
        text = page.asset(name)
        if text is None:
            raise NotKnown
        return Response(text, media_type=page.ASSETS[name], headers={"Cache-Control": "max-age=3600"})


def _judge_routes(app: FastAPI, parts: Parts) -> None:
    guard = [_only_with(parts.api_key)]

    @app.get("/book", dependencies=guard)
    async def read_book(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=BOOK_PAGE_MAX)] = 1_000
    ) -> dict[str, Any]:
        entries = parts.book.effects(after=after, limit=limit)
        return {
            "entries": [asdict(entry) for entry in entries],
            "next": entries[-1].number if entries else after,
            "deliveries": parts.book.count_deliveries(),
        }

    @app.get("/misbehaviour", dependencies=guard)
    async def read_misbehaviour() -> Misbehaviour:
        return parts.provider.misbehaviour

    @app.put("/misbehaviour", dependencies=guard)
    async def misbehave(body: Misbehaviour) -> Misbehaviour:
        parts.provider.misbehave(body)
        return parts.provider.misbehaviour
