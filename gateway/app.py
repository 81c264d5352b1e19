"""The public app, built from its parts, so that tests build it from theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.responses import Response

from gateway.errors import PROBLEMS
from gateway.limiting import limit_answer
from gateway.overload.shedding import Shedding
from gateway.page import add_page, read_page
from gateway.parts import Parts, running
from gateway.routes import local, me, queue, reservations, sales, webhooks
from kit.web.problems import install_problems
from kit.web.telemetry import Telemetry
from queueing.limits.errors import QuotaExceeded

DESCRIPTION = """The public contract of Floodgate. Errors are `application/problem+json` (RFC 9457) with a stable `code`, in
Simplified Chinese or English by `Accept-Language`; money is in integer minor units; times are RFC 3339, UTC."""


def create_app(parts: Parts) -> FastAPI:
    """The app; its lifespan keeps the views fresh and answers what is in flight before it ends."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(parts):
            yield

    app = FastAPI(
        title="Floodgate",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.parts = parts
    app.state.written = sales.Written()
    page = read_page()
    app.add_middleware(Shedding, gate=parts.gate, free=page.keys())
    install_problems(app, PROBLEMS, code_of_parameter={"header:idempotency-key": "key_missing"})
    app.add_exception_handler(QuotaExceeded, _on_limit)
    app.add_middleware(Telemetry)
    for room in (sales, queue, reservations, me, webhooks):
        app.include_router(room.router)
    if parts.settings.local_issuer:
        app.include_router(local.router)
    add_page(app, page)
    return app


async def _on_limit(request: Request, error: Exception) -> Response:
    assert isinstance(error, QuotaExceeded)
    return limit_answer(request.app.state.problems, error, request.headers.get("accept-language"))
