"""The last net: what nobody expected is logged whole and answered with nothing but the code `internal`."""

from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from kit.web.problems import Problems

log = structlog.get_logger()


class UnexpectedErrors:
    """Pure ASGI middleware around everything that the app does."""

    def __init__(self, app: ASGIApp, problems: "Problems") -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            log.exception("request_failed", method=scope["method"])
            if started:
                raise  # the server must cut the connection: half an answer must not look like a whole one
            await self._problems.answer(scope, "internal")(scope, receive, send)
