"""Requests are measured by route template: no id ever becomes a label."""

import httpx
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY

from kit.web.telemetry import Telemetry


def counted(**labels: str) -> float:
    return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0.0


async def test_requests_are_counted_by_template_method_and_class_of_status() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/measured")

    @router.get("/{thing}")
    async def show(thing: str) -> str:
        return thing

    app.include_router(router)
    app.add_middleware(Telemetry)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
        unknown = counted(route="unmatched", method="other", status_class="4xx")
        for thing in "abc":
            await http.get(f"/measured/{thing}")
        await http.request("BREW", "/nowhere")
    assert counted(route="/measured/{thing}", method="GET", status_class="2xx") == 3
    assert counted(route="unmatched", method="other", status_class="4xx") == unknown + 1
    assert REGISTRY.get_sample_value("http_server_active_requests") == 0
