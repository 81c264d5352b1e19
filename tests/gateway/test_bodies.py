"""Whatever a body or an address looks like, the answer is in contract, and never a 500."""

from collections.abc import AsyncIterator, Iterator
from itertools import product
from uuid import uuid4

import httpx
import pytest

from tests.gateway.scene import SKU, Scene, assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def paths(scene: Scene) -> list[tuple[str, dict[str, str]]]:
    """Every route with a JSON body, with credentials that are good."""
    return [
        (f"{scene.path}/admissions", scene.signed_in("ann")),
        ("/v1/local/sign-in", {}),
    ]


NO_JSON = (
    b"{",
    b"{'ticket': 'a'}",
    b'{"ticket": NaN}',
    b'{"ticket": Infinity}',
    b'{"ticket": "\xff"}',
    b'{"ticket": "\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"[" * 8000,
    b'{"ticket": "a"} trailing',
    b"\x00",
)
NO_OBJECTS = (b"", b"[]", b'"a"', b"7", b"null", b"true")


async def test_what_is_no_json_is_told_so(scene: Scene, paths: list[tuple[str, dict[str, str]]]) -> None:
    for body, (path, headers) in product(NO_JSON, paths):
        answer = await scene.http.post(path, headers={**headers, **JSON}, content=body)
        assert_problem(answer, 400, "malformed_json")


async def test_json_that_is_no_object_is_an_invalid_request(
    scene: Scene, paths: list[tuple[str, dict[str, str]]]
) -> None:
    for body, (path, headers) in product(NO_OBJECTS, paths):
        answer = await scene.http.post(path, headers={**headers, **JSON}, content=body)
        assert_problem(answer, 422, "invalid_request")


async def test_numbers_no_machine_holds_are_refused_one_way_or_the_other(
    scene: Scene, paths: list[tuple[str, dict[str, str]]]
) -> None:
    for body, (path, headers) in product((b"1e400", b"9" * 5000), paths):
        answer = await scene.http.post(path, headers={**headers, **JSON}, content=body)
        code = {400: "malformed_json", 422: "invalid_request"}[answer.status_code]
        assert_problem(answer, answer.status_code, code)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""],
)
async def test_another_content_type_is_not_read(scene: Scene, content_type: str) -> None:
    answer = await scene.http.post(
        "/v1/local/sign-in", content=b'{"user_id": "ann"}', headers={"Content-Type": content_type}
    )
    assert_problem(answer, 415, "unsupported_content_type")


async def test_json_with_a_charset_is_read(scene: Scene) -> None:
    answer = await scene.http.post(
        "/v1/local/sign-in",
        content=b'{"user_id": "ann"}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert answer.status_code == 200


async def test_unknown_fields_are_named_with_a_pointer(scene: Scene) -> None:
    answer = await scene.http.post("/v1/local/sign-in", json={"user_id": "ann", "a/b~c": 1, "x" * 1000: 1})
    errors = assert_problem(answer, 422, "invalid_request")["errors"]
    assert errors[0] == {"pointer": "#/a~1b~0c", "detail": "is not a field of this request"}
    assert len(errors[1]["pointer"]) == 200


async def test_many_mistakes_are_told_up_to_a_bound(scene: Scene) -> None:
    answer = await scene.http.post("/v1/local/sign-in", json={f"field{n}": n for n in range(100)})
    assert len(assert_problem(answer, 422, "invalid_request")["errors"]) == 20


async def test_a_body_beyond_the_bound_is_refused_whether_it_says_so_or_not(scene: Scene) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"a" * 1024

    for content in (b"a" * 16385, endless()):
        answer = await scene.http.post("/v1/webhooks/payments", content=content, headers=JSON)
        assert assert_problem(answer, 413, "body_too_large")["bytes_max"] == 16384
    largest = await scene.http.post("/v1/local/sign-in", content=b" " * 16384, headers=JSON)
    assert_problem(largest, 400, "malformed_json")


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 50, "٣"])
async def test_a_length_that_is_none_is_survived(scene: Scene, length: str) -> None:
    answer = await scene.http.post(
        "/v1/local/sign-in",
        content=b"{}",
        headers={**JSON, "Content-Length": length.encode()},  # type: ignore[dict-item]
    )
    assert answer.status_code in {413, 422}


async def test_headers_beyond_the_bound_are_refused(scene: Scene) -> None:
    answer = await scene.http.get("/v1/sales", headers={"X-Endless": "a" * 17_000})
    assert_problem(answer, 431, "headers_too_large")
    for name in ("Accept-Language", "If-None-Match", "Last-Event-ID", "Idempotency-Key"):
        answer = await scene.http.get("/v1/sales", headers={name: ',;=*q"' * 2000})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/sales/",
        "/nothing.js",
        "/../etc/passwd",
        "/%2e%2e/x",
        "/%00",
        "/%FF",
        "/v1/sales/a%2Fb",
    ],
)
async def test_an_address_that_does_not_exist_is_a_problem_too(scene: Scene, path: str) -> None:
    answer = await scene.http.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_method_is_told_the_right_ones(scene: Scene) -> None:
    for method, path, allowed in (
        ("PUT", f"/v1/reservations/{uuid4()}", "DELETE, GET"),
        ("GET", f"{scene.path}/tickets", "POST"),
        ("POST", "/v1/sales", "GET"),
        ("TRACE", "/v1/me/events", "GET"),
        ("OPTIONS", "/v1/local/sign-in", "POST"),
        ("POST", "/", "GET, HEAD"),
    ):
        answer = await scene.http.request(method, path)
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed, path


@pytest.mark.parametrize("reservation", ["1", "a" * 36, "%00", "'--", "00000000-0000-0000-0000-00000000000g"])
async def test_a_reservation_id_of_the_wrong_form_is_refused_by_name(scene: Scene, reservation: str) -> None:
    me = scene.signed_in("ann")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/payment")):
        answer = await scene.http.request(method, f"/v1/reservations/{reservation}{path}", headers=me)
        problem = assert_problem(answer, 422, "invalid_request")
        assert problem["errors"][0]["pointer"] == "path:reservation_id"


async def test_a_sku_of_the_wrong_form_is_refused_by_name(scene: Scene) -> None:
    admission = await scene.admission("ann")
    for sku in ("", "a b", "a\u0000", "x" * 65, "../x", "耳机", 7, None, ["a"], {"a": 1}):
        problem = assert_problem(await scene.reserve(admission, sku=sku), 422, "invalid_request")
        assert problem["errors"][0]["pointer"] == "#/sku"


async def test_answers_come_in_the_language_that_was_asked_for(scene: Scene) -> None:
    for header, language, word in (
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "活动"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en", "sale"),
        ("fr", "en", "sale"),
        ("zh;q=0, en;q=0.1", "en", "sale"),
    ):
        answer = await scene.http.get("/v1/sales/no-such-sale", headers={"Accept-Language": header})
        problem = assert_problem(answer, 404, "sale_unknown")
        assert word in problem["detail"]
        assert answer.headers["Content-Language"] == language
        assert answer.headers["Vary"] == "Accept-Language"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_postgresql_away_is_a_503_where_it_is_needed_and_nothing_elsewhere(
    scene: Scene, away: Iterator[None]
) -> None:
    me = scene.signed_in("ann")
    for path in ("/v1/me/reservations", "/v1/me/rewards", "/v1/me/events", f"/v1/reservations/{uuid4()}"):
        answer = await scene.http.get(path, headers=me)
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    for path in ("/v1/sales", scene.path, f"{scene.path}/queue"):
        assert (await scene.http.get(path)).status_code == 200
    ticket: httpx.Response = await scene.http.post(f"{scene.path}/tickets", headers=me)
    assert ticket.status_code == 201
    assert SKU in (await scene.http.get(f"{scene.path}/queue")).text


@pytest.fixture
async def away(scene: Scene) -> AsyncIterator[None]:
    async with scene.postgres_away():
        yield
