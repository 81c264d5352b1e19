"""Requests as metrics, by route template: pure ASGI, no task, no copy of the body."""

import time
from typing import Final

from prometheus_client import Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DURATION: Final = Histogram(
    "http_server_request_duration_seconds",
    "Time from the request's head to the answer's head",
    ["route", "method", "status_class"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ACTIVE: Final = Gauge("http_server_active_requests", "Requests being answered now, live streams among them")
UNMATCHED: Final = "unmatched"  # one label for all addresses that do not exist: scanners invent millions
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Telemetry:
    """Measures every request of the app below."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - began
                DURATION.labels(_route(scope), _method(scope), f"{message['status'] // 100}xx").observe(
                    seconds
                )
            await send(message)

        ACTIVE.inc()
        try:
            await self._app(scope, receive, measured)
        finally:
            ACTIVE.dec()


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in _METHODS else "other"
