"""The problem answers in an OpenAPI document: per status the codes it may carry, with an example each."""

from collections.abc import Mapping
from typing import Any, Final

from kit.web.problems import PROBLEM_MEDIA_TYPE, Problems
from kit.web.texts import ProblemText

# What the edge can answer to any request at all, whatever the route.
EVERYWHERE: Final = ("request_timeout", "body_too_large", "headers_too_large")
# What a route with a JSON body can answer beside.
WITH_BODY: Final = ("malformed_json", "unsupported_content_type", "invalid_request")

_FIELD_ERROR: Final = {
    "type": "object",
    "required": ["pointer", "detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "`#/field` in the body (RFC 6901), or `path:name`, `header:name`",
        },
        "detail": {"type": "string"},
    },
}


class ProblemAnswers:
    """Writes the `responses` of routes from one door's table."""

    def __init__(self, table: Mapping[str, ProblemText]) -> None:
        self._problems = Problems(table)

    def __call__(self, *codes: str) -> dict[int | str, dict[str, Any]]:
        """The responses for `codes` and for what any request may meet."""
        by_status: dict[int, list[str]] = {}
        for code in dict.fromkeys((*codes, *EVERYWHERE)):
            by_status.setdefault(self._problems.table[code].status, []).append(code)
        return {status: self._response(status, some) for status, some in sorted(by_status.items())}

    def _response(self, status: int, codes: list[str]) -> dict[str, Any]:
        texts = {code: self._problems.table[code] for code in codes}
        return {
            "description": "; ".join(text.title["en"] for text in texts.values()),
            "headers": _headers(status),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": _schema(status, texts),
                    "examples": {
                        code: {"value": self._problems.document(code, text, "en", _example_facts(text))}
                        for code, text in texts.items()
                    },
                }
            },
        }


def _schema(status: int, texts: Mapping[str, ProblemText]) -> dict[str, Any]:
    members = {name: {"type": ["integer", "string"]} for text in texts.values() for name in text.members}
    errors = {"errors": {"type": "array", "items": _FIELD_ERROR}} if "invalid_request" in texts else {}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer", "const": status},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": sorted(texts)},
            **members,
            **errors,
        },
    }


def _headers(status: int) -> dict[str, Any]:
    described = {
        401: ("WWW-Authenticate", "How to authenticate", {"type": "string"}),
        429: ("Retry-After", "Seconds", {"type": "integer", "minimum": 1}),
        503: ("Retry-After", "Seconds", {"type": "integer", "minimum": 1}),
    }
    if status not in described:
        return {}
    name, description, schema = described[status]
    return {name: {"description": description, "schema": schema, "required": True}}


def _example_facts(text: ProblemText) -> dict[str, object]:
    return dict.fromkeys(text.members, 1)
