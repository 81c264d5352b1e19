"""The codes that the console can answer with, beside those of every door."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from kit.web.texts import GENERAL, ProblemText, problem_text

TABLE: Final[Mapping[str, ProblemText]] = MappingProxyType(
    {
        "role_missing": problem_text(
            403,
            ("Role missing", "This needs one of the roles {roles}."),
            ("权限不足", "此操作需要以下角色之一：{roles}。"),
            members=("roles",),
        ),
        "sale_unknown": problem_text(
            404, ("Unknown sale", "There is no such sale."), ("活动不存在", "没有此活动。")
        ),
        "reservation_unknown": problem_text(
            404, ("Unknown reservation", "There is no such reservation."), ("订单不存在", "没有此订单。")
        ),
        "search_unclear": problem_text(
            422,
            ("Search unclear", "Search by exactly one of phone and reservation_id."),
            ("查询条件不明确", "请只用 phone 或 reservation_id 之一查询。"),
        ),
    }
)


def describe(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses for `codes`: status → the problem document and which codes it may carry."""
    texts = {**GENERAL, **TABLE}
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(texts[code].status, []).append(code)
    return {status: _response(texts, sorted(some)) for status, some in sorted(by_status.items(), key=str)}


def _response(texts: Mapping[str, ProblemText], codes: list[str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "enum": codes},
        },
    }
    return {
        "description": "; ".join(texts[code].title["en"] for code in codes),
        "content": {"application/problem+json": {"schema": schema}},
    }
