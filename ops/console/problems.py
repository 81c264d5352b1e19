"""The codes that the console can answer with, beside those of every door."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kit.web.openapi import ProblemAnswers
from kit.web.texts import ProblemText, problem_text

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


# The `responses` of this door's routes.
answers: Final = ProblemAnswers(TABLE)
