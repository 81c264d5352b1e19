"""(a) The least that a uvicorn server can be asked to do: an ASGI application that answers 200 and nothing."""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import uvicorn

Message = MutableMapping[str, Any]
_START: Final[Message] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
_BODY: Final[Message] = {"type": "http.response.body", "body": b""}


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    await send(_START)
    await send(_BODY)


def serve(port: int, served: Any = app, lifespan: Any = "off") -> None:
    """uvicorn with everything off that the gateway has off too."""
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan=lifespan,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="error",
        backlog=4096,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    serve(int(sys.argv[1]))
