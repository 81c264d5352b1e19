"""Problem answers (RFC 9457) with a stable `code`, in the caller's language; the same for every door.

`install_problems(app, table)` is all that a door calls: its table maps the codes of the rooms to statuses and texts.
Whatever goes wrong below leaves as `application/problem+json`; nothing leaves with a traceback.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from kit.errors import DomainError, InvalidInput
from kit.web.fields import field_errors
from kit.web.languages import Language, preferred_language
from kit.web.limits import BODY_BYTES_MAX, RequestLimits
from kit.web.paths import allowed_methods
from kit.web.texts import GENERAL, ProblemText, problem_text
from kit.web.unexpected import UnexpectedErrors

__all__ = ["PROBLEM_MEDIA_TYPE", "ProblemText", "Problems", "install_problems", "problem_text"]

log = structlog.get_logger()

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:floodgate:problem:"
RETRY_AFTER_SECONDS_DEFAULT: Final = 1.0  # a 429 or 503 without a better guess: long enough not to hammer
_CODE_OF_STATUS: Final = {
    404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_content_type",
    503: "unavailable",
}  # fmt: skip


class Problems:
    """Writes problem answers for one door. Codes it does not know become `internal` and are logged."""

    def __init__(self, table: Mapping[str, ProblemText]) -> None:
        self.table: dict[str, ProblemText] = {**GENERAL, **table}

    def answer(
        self,
        scope: Scope,
        code: str,
        *,
        facts: Mapping[str, object] | None = None,
        errors: Mapping[Language, list[dict[str, str]]] | None = None,
        retry_after_seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer for `code`, negotiated from the request in `scope`."""
        text = self.table.get(code)
        if text is None:
            log.error("problem_without_text", code=code)
            code, text, facts = "internal", self.table["internal"], None
        language = preferred_language(Headers(scope=scope).get("accept-language"))
        body = self.document(code, text, language, facts or {})
        if errors is not None:
            body["errors"] = errors[language]
        return Response(
            json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
            status_code=text.status,
            media_type=PROBLEM_MEDIA_TYPE,
            headers={**_headers(text, language, retry_after_seconds), **(headers or {})},
        )

    def document(
        self, code: str, text: ProblemText, language: Language, facts: Mapping[str, object]
    ) -> dict[str, Any]:
        """The problem as JSON; also the example in the OpenAPI document."""
        return {
            "type": f"{TYPE_PREFIX}{code}",
            "title": text.title[language],
            "status": text.status,
            "detail": text.detail[language].format_map(_Facts(facts)),
            "code": code,
            **{name: facts[name] for name in text.members if isinstance(facts.get(name), int | str)},
        }


class _Facts(dict[str, object]):
    """A fact that a text names and an error lacks must not turn a refusal into a failure."""

    def __missing__(self, name: str) -> str:
        return "?"


def _headers(text: ProblemText, language: Language, retry_after_seconds: float | None) -> dict[str, str]:
    headers = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    if text.challenge is not None:
        headers["WWW-Authenticate"] = text.challenge
    if retry_after_seconds is None and text.status in {429, 503}:
        retry_after_seconds = RETRY_AFTER_SECONDS_DEFAULT
    if retry_after_seconds is not None:
        # Whole seconds (RFC 9110, 10.2.3), rounded up: earlier would be refused again.
        headers["Retry-After"] = str(max(1, -int(-retry_after_seconds // 1)))
    return headers


def install_problems(
    app: FastAPI,
    table: Mapping[str, ProblemText],
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
    code_of_parameter: Mapping[str, str] | None = None,
) -> Problems:
    """Makes every refusal and failure of `app` a problem answer, and bounds bodies and headers.

    `code_of_parameter` gives a parameter (`header:idempotency-key`) a code of its own in place of `invalid_request`.
    """
    problems = Problems(table)
    codes = dict(code_of_parameter or {})

    async def on_domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)
        return problems.answer(
            request.scope,
            error.code,
            facts=error.facts,
            errors=_meant_field(error) if isinstance(error, InvalidInput) else None,
            retry_after_seconds=error.retry_after_seconds,
        )

    async def on_invalid_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid(problems, codes, request, error)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _http(problems, app, request, error)

    app.add_exception_handler(DomainError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_middleware(RequestLimits, problems=problems, body_bytes_max=body_bytes_max)
    app.add_middleware(UnexpectedErrors, problems=problems)
    app.state.problems = problems
    return problems


def _invalid(
    problems: Problems, codes: Mapping[str, str], request: Request, error: RequestValidationError
) -> Response:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problems.answer(request.scope, "malformed_json")
    for one in found:
        code = codes.get(":".join(str(step) for step in one["loc"]).lower())
        if code is not None:
            return problems.answer(request.scope, code)
    by_language: dict[Language, list[dict[str, str]]] = {
        "en": field_errors(found, "en"),
        "zh-CN": field_errors(found, "zh-CN"),
    }
    return problems.answer(request.scope, "invalid_request", errors=by_language)


def _meant_field(error: InvalidInput) -> dict[Language, list[dict[str, str]]]:
    one = [{"pointer": f"#/{error.facts['field']}", "detail": str(error.facts["problem"])}]
    return {"en": one, "zh-CN": one}


def _http(problems: Problems, app: FastAPI, request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # The router names the methods of one route alone; what the document leaves out (pages) it still knows.
        named = headers.get("Allow", "GET").split(", ")
        headers["Allow"] = ", ".join(allowed_methods(app, request.scope["path"]) or sorted(named))
    code = _CODE_OF_STATUS.get(error.status_code)
    if code is None:
        code = "internal" if error.status_code >= 500 else "bad_request"
    return problems.answer(request.scope, code, headers=headers)
