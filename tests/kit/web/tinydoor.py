"""`python -m tests.kit.web.tinydoor '{"port": …, "health_port": …}'`: a small app behind the real server, as a process.

Not a test: what the tests of the server start. `drain_seconds`, `finish_seconds` and any bound may be given too;
`as_uvicorn_comes` runs uvicorn without anything of ours, for controls.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI, Request

from kit.web.health import Health, HealthServer
from kit.web.problems import install_problems
from kit.web.receipt import ReceiptBounds
from kit.web.serving import Door, listen, serve


def app() -> FastAPI:
    tiny = FastAPI()
    install_problems(tiny, {})

    @tiny.get("/quick")
    async def quick() -> dict[str, str]:
        return {"answer": "quick"}

    @tiny.get("/slow")
    async def slow(seconds: float) -> dict[str, str]:
        await asyncio.sleep(seconds)
        return {"answer": "slow"}

    @tiny.get("/large")
    async def large(bytes_size: int) -> dict[str, str]:
        return {"answer": "x" * bytes_size}

    @tiny.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    return tiny


async def main(wish: dict[str, Any]) -> None:
    door = Door(
        "tiny",
        "127.0.0.1",
        wish["port"],
        "PORT",
        wish.get("drain_seconds", 0.5),
        wish.get("finish_seconds", 8),
    )
    health = Health()
    bounds = ReceiptBounds(
        **{name: value for name, value in wish.items() if name in ReceiptBounds.__dataclass_fields__}
    )
    with listen(door) as listener:
        probes = HealthServer(health, host="127.0.0.1", port=wish["health_port"])
        probes.start()
        if wish.get("as_uvicorn_comes"):
            plain = uvicorn.Config(app(), http="httptools", log_level="critical", timeout_graceful_shutdown=8)
            server = uvicorn.Server(plain)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - it offers no event
                await asyncio.sleep(0.01)
            health.started.set()
            with suppress(KeyboardInterrupt):
                await serving
            return
        try:
            await serve(app(), door, listener, health, bounds=bounds)
        finally:
            probes.stop()


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
