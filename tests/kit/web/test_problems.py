"""Whatever goes wrong leaves as a problem answer: stable code, two languages, nothing of the inside."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from kit.errors import DomainError, InvalidInput, Unavailable
from kit.web.problems import install_problems, problem_text
from kit.web.strict import StrictModel, StrictRoute


class Wish(StrictModel):
    n: int


class Refused(DomainError):
    code = "refused"


class Untold(DomainError):
    code = "untold"


TABLE = {
    "refused": problem_text(
        409,
        ("Refused", "{name} may not, {missing}."),
        ("已拒绝", "{name} 不可以，{missing}。"),
        members=("name", "count", "secret"),
    ),
}
RAISED: dict[str, Exception] = {
    "refused": Refused(retry_after_seconds=1.2, name="ann", count=3, other="inside", secret=object()),
    "untold": Untold(),
    "unavailable": Unavailable("postgres"),
    "input": InvalidInput("phone", "is not a phone number"),
    "teapot": HTTPException(418),
    "gateway": HTTPException(502),
    "fault": RuntimeError("password=hunter2"),
}


def an_app() -> FastAPI:
    app = FastAPI(redirect_slashes=False, openapi_url=None)
    router = APIRouter(route_class=StrictRoute)

    @router.post("/wishes/{place}")
    async def wish(place: int, wish: Wish) -> dict[str, int]:
        return {"n": wish.n}

    @router.get("/raise/{name}")
    async def raise_it(name: str) -> None:
        raise RAISED[name]

    @router.get("/broken-stream")
    async def broken_stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError

        return StreamingResponse(pieces())

    app.include_router(router)
    install_problems(app, TABLE, code_of_parameter={"path:place": "not_found"})
    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(an_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://door.test") as client:
        yield client


async def problem(
    http: httpx.AsyncClient, name: str, **headers: str
) -> tuple[httpx.Response, dict[str, Any]]:
    answer = await http.get(f"/raise/{name}", headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer, answer.json()


async def test_a_refusal_carries_its_code_words_members_and_when_to_ask_again(
    http: httpx.AsyncClient,
) -> None:
    answer, document = await problem(http, "refused")
    assert answer.status_code == 409
    assert document == {
        "type": "urn:floodgate:problem:refused",
        "title": "Refused",
        "status": 409,
        "detail": "ann may not, ?.",
        "code": "refused",
        "name": "ann",
        "count": 3,
    }
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Cache-Control"] == "no-store"
    _, chinese = await problem(http, "refused", **{"Accept-Language": "zh-TW"})
    assert (chinese["title"], chinese["code"]) == ("已拒绝", "refused")


async def test_a_code_without_words_is_an_internal_error_that_is_logged(http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        answer, document = await problem(http, "untold")
    assert (answer.status_code, document["code"]) == (500, "internal")
    assert {"event": "problem_without_text", "code": "untold", "log_level": "error"} in logs


async def test_a_fault_is_logged_whole_and_answered_with_nothing(http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        answer, document = await problem(http, "fault")
    assert (answer.status_code, document["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert [log["event"] for log in logs] == ["request_failed"]


async def test_half_an_answer_is_cut_and_not_made_whole(http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs(), pytest.raises(RuntimeError):
        await http.get("/broken-stream")


async def test_unavailable_says_when_to_come_back(http: httpx.AsyncClient) -> None:
    answer, document = await problem(http, "unavailable")
    assert (answer.status_code, document["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert "postgres" not in answer.text


async def test_an_input_that_cannot_be_meant_names_its_field(http: httpx.AsyncClient) -> None:
    answer, document = await problem(http, "input")
    assert answer.status_code == 422
    assert document["errors"] == [{"pointer": "#/phone", "detail": "is not a phone number"}]


async def test_statuses_without_a_code_of_their_own_stay_in_form(http: httpx.AsyncClient) -> None:
    for name, status, code in (("teapot", 400, "bad_request"), ("gateway", 500, "internal")):
        answer, document = await problem(http, name)
        assert (answer.status_code, document["code"]) == (status, code)


async def test_a_parameter_may_have_a_code_of_its_own(http: httpx.AsyncClient) -> None:
    answer = await http.post("/wishes/nowhere", json={"n": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_strict_means_no_conversion(http: httpx.AsyncClient) -> None:
    assert (await http.post("/wishes/1", json={"n": 1})).json() == {"n": 1}
    for body in ('{"n": "1"}', '{"n": true}', '{"n": 1.0}', '{"n": 1, "m": 1}', "{}", '{"n": null}'):
        answer = await http.post("/wishes/1", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body


async def test_mistakes_are_told_in_the_language_asked_for(http: httpx.AsyncClient) -> None:
    answer = await http.post("/wishes/1", json={}, headers={"Accept-Language": "zh-CN"})
    assert answer.json()["errors"] == [{"pointer": "#/n", "detail": "必填"}]
    answer = await http.post("/wishes/1", json={"n": "x"})
    assert answer.json()["errors"][0]["detail"] == "must be an integer (a JSON number without quotes)"


async def test_where_no_document_is_published_allow_is_still_told(http: httpx.AsyncClient) -> None:
    answer = await http.put("/wishes/1")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
