"""The crowd against a stand-in of the public contract, on a port of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from loadtests.crowd import arrivals, paying, scene
from loadtests.crowd.crowd import Options, run
from tests.loadtests.stub import SALE, StubGateway

Serve = Callable[[StubGateway], Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a stub; its address is then in `origin`."""
    async with AsyncExitStack() as stack:

        async def start(stub: StubGateway) -> StubGateway:
            server = await stack.enter_async_context(TestServer(stub.app()))
            stub.origin = str(server.make_url("")).rstrip("/")
            return stub

        yield start


@pytest.fixture
def quick_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd within a second: what is tested is what they do, not when."""
    monkeypatch.setattr(arrivals, "TAIL_SECONDS", 0.2)
    monkeypatch.setattr(arrivals, "SPIKE_SECONDS_MEAN", 0.1)
    monkeypatch.setattr(scene, "STAYERS_LINGER_SECONDS", 1.0)
    monkeypatch.setattr(paying, "POLL_SECONDS", (0.05, 0.2))


@pytest.fixture
def send_crowd(tmp_path: Path, quick_arrivals: None) -> Callable[..., Any]:
    """Sends a crowd to a stub and returns its summary; the history is `tmp_path / "history.jsonl"`."""

    async def send(stub: StubGateway, *, shoppers: int = 60, seed: int = 7, **more: Any) -> dict[str, Any]:
        options = Options(
            gateway=stub.origin,
            sale_id=SALE,
            shoppers=shoppers,
            seed=seed,
            history=tmp_path / "history.jsonl",
            summary=tmp_path / "summary.json",
            **{"seconds_max": 60.0, **more},
        )
        return await run(options, lambda _snapshot: None)

    return send
