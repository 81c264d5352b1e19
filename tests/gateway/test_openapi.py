"""The gateway against its own document, with an open sale and valid credentials, and without any."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from fastapi import FastAPI
from requests.auth import AuthBase
from schemathesis import Case, GenerationMode

from gateway.app import create_app
from kit.embedded import ServerUrls
from kit.postgres import Postgres
from kit.redis import RedisRoles
from kit.settings import RedisSettings
from tests.gateway.scene import SKU, Scene, opened_scene, webhook_headers
from tests.openapi_checks import address_of, check_operation, in_background, operations
from tests.patience import patient


@dataclass
class Prepared:
    """A served gateway and what a shopper with good credentials has there."""

    scene: Scene
    url: str
    token: str
    ticket: str
    admission: str
    reservation_id: str


class Credentials(AuthBase):
    """Puts the right credentials on each request, last, whatever was generated.

    An invalid webhook is left unsigned: its headers may be what is wrong with it, and signing would mend them.
    """

    def __init__(self, prepared: Prepared, mode: GenerationMode = GenerationMode.POSITIVE) -> None:
        self._prepared = prepared
        self._signs = mode is GenerationMode.POSITIVE

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = urlsplit(str(request.url)).path
        if path.startswith("/v1/webhooks/"):
            if not self._signs:
                return request
            body = request.body or b""
            raw = body.encode() if isinstance(body, str) else bytes(body)
            content_type = request.headers.get("content-type", "application/json")
            with suppress(UnicodeDecodeError):
                request.headers.update({**webhook_headers(raw), "content-type": content_type})
        elif path.endswith("/reservations") and path.startswith("/v1/sales/"):
            request.headers["Authorization"] = f"Bearer {self._prepared.admission}"
        else:
            request.headers["Authorization"] = f"Bearer {self._prepared.token}"
        return request


@pytest.fixture(scope="module")
def prepared(servers: ServerUrls) -> Iterator[Prepared]:
    @asynccontextmanager
    async def opening() -> AsyncIterator[Prepared]:
        postgres = Postgres(patient(servers.database))
        redis = RedisRoles.connect(
            RedisSettings(
                redis_queue_url=servers.redis_queue,
                redis_stock_url=servers.redis_stock,
                redis_limits_url=servers.redis_limits,
            )
        )
        sale_id = f"sale-{uuid4().hex[:16]}"
        # A stream that lasted would be waited for by every generated request.
        async with opened_scene(postgres, redis, sale_id, live_seconds_max=0.05) as scene:
            await scene.open_sale(total=1000)
            ticket, admission = await scene.ticket("ann"), await scene.admission("ann")
            held = (await scene.reserve(admission)).json()
            token = scene.signed_in("ann")["Authorization"].removeprefix("Bearer ")
            async with address_of(scene.app, running=True) as url:
                yield Prepared(scene, url, token, ticket, admission, held["reservation_id"])
        await redis.close()
        await postgres.close()

    with in_background(opening) as ready:
        yield ready


def _described() -> FastAPI:
    """The app for its document alone; nothing of it is ever called."""

    class Nothing:
        gate = None

        class settings:  # noqa: N801 - stands where an attribute stands
            local_issuer = True

    return create_app(Nothing())  # type: ignore[arg-type]


OPERATIONS = operations(_described())
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


def real(prepared: Prepared) -> Any:
    """Puts what exists in the place of what was generated, where the generated one has the right form."""

    def prepare(case: Case) -> None:
        if case.path_parameters and "sale_id" in case.path_parameters:
            case.path_parameters["sale_id"] = prepared.scene.sale_id
        if case.path_parameters and "reservation_id" in case.path_parameters:
            case.path_parameters["reservation_id"] = prepared.reservation_id
        if isinstance(case.body, dict):
            if isinstance(case.body.get("sku"), str):
                case.body["sku"] = SKU
            if isinstance(case.body.get("ticket"), str):
                case.body["ticket"] = prepared.ticket

    return prepare


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_in_the_document_whatever_is_asked(
    prepared: Prepared, method: str, path: str, mode: GenerationMode
) -> None:
    with requests.Session() as session:
        session.auth = Credentials(prepared, mode)
        check_operation(prepared.scene.app, prepared.url, method, path, mode=mode, session=session)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_valid_requests_about_what_exists_are_answered_as_described(
    prepared: Prepared, method: str, path: str
) -> None:
    with requests.Session() as session:
        session.auth = Credentials(prepared)
        check_operation(
            prepared.scene.app,
            prepared.url,
            method,
            path,
            mode=GenerationMode.POSITIVE,
            session=session,
            prepare=real(prepared),
        )


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_credentials_every_answer_is_in_the_document_too(
    prepared: Prepared, method: str, path: str
) -> None:
    with requests.Session() as session:
        check_operation(
            prepared.scene.app,
            prepared.url,
            method,
            path,
            mode=GenerationMode.POSITIVE,
            session=session,
            prepare=real(prepared),
            examples_max=3,
        )


def test_the_document_describes_every_public_route() -> None:
    described = {f"{method} {path}" for method, path in OPERATIONS}
    assert described == {
        "GET /v1/sales",
        "GET /v1/sales/{sale_id}",
        "GET /v1/sales/{sale_id}/queue",
        "POST /v1/sales/{sale_id}/tickets",
        "POST /v1/sales/{sale_id}/admissions",
        "POST /v1/sales/{sale_id}/reservations",
        "GET /v1/reservations/{reservation_id}",
        "DELETE /v1/reservations/{reservation_id}",
        "POST /v1/reservations/{reservation_id}/payment",
        "POST /v1/webhooks/payments",
        "POST /v1/webhooks/payouts",
        "GET /v1/me/reservations",
        "GET /v1/me/rewards",
        "GET /v1/me/events",
        "POST /v1/local/sign-in",
    }


def test_every_refusal_is_described_as_a_problem_with_its_codes() -> None:
    for path, item in _described().openapi()["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                if int(status) < 400:
                    continue
                assert set(answer["content"]) == {"application/problem+json"}, (method, path, status)
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema["properties"]["code"]["enum"]
                assert set(answer["content"]["application/problem+json"]["examples"]) == set(
                    schema["properties"]["code"]["enum"]
                )
            protected = path.startswith(("/v1/me", "/v1/reservations", "/v1/webhooks")) or method == "post"
            if protected and not path.startswith("/v1/local"):
                assert operation["security"], (method, path)
