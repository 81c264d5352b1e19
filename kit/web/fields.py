"""What is wrong with which field, in both languages: the `errors` of an `invalid_request` answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kit.web.languages import Language

ERRORS_MAX: Final = 20  # nobody mends more than these at once, and an answer must stay small
POINTER_CHARACTERS_MAX: Final = 200  # an unknown field's name comes from the caller

# By pydantic's error type; `{…}` are filled from the error's own context (bounds and patterns of our schema).
_TEXTS: Final[dict[str, dict[Language, str]]] = {
    "missing": {"en": "is required", "zh-CN": "必填"},
    "extra_forbidden": {"en": "is not a field of this request", "zh-CN": "不是此请求的字段"},
    "int_type": {"en": "must be an integer (a JSON number without quotes)", "zh-CN": "必须是整数（不带引号的 JSON 数字）"},
    "int_from_float": {"en": "must be an integer", "zh-CN": "必须是整数"},
    "int_parsing": {"en": "must be an integer", "zh-CN": "必须是整数"},
    "string_type": {"en": "must be a string", "zh-CN": "必须是字符串"},
    "bool_type": {"en": "must be true or false", "zh-CN": "必须是 true 或 false"},
    "greater_than_equal": {"en": "must be at least {ge}", "zh-CN": "不得小于 {ge}"},
    "less_than_equal": {"en": "must be at most {le}", "zh-CN": "不得大于 {le}"},
    "string_too_short": {"en": "must have at least {min_length} characters", "zh-CN": "至少 {min_length} 个字符"},
    "string_too_long": {"en": "must have at most {max_length} characters", "zh-CN": "最多 {max_length} 个字符"},
    "string_pattern_mismatch": {"en": "must match {pattern}", "zh-CN": "必须符合格式 {pattern}"},
    "uuid_parsing": {"en": "must be a UUID", "zh-CN": "必须是 UUID"},
    "uuid_type": {"en": "must be a UUID", "zh-CN": "必须是 UUID"},
    "literal_error": {"en": "must be one of {expected}", "zh-CN": "必须是以下之一：{expected}"},
    "model_attributes_type": {"en": "must be a JSON object", "zh-CN": "必须是 JSON 对象"},
    "model_type": {"en": "must be a JSON object", "zh-CN": "必须是 JSON 对象"},
    "dict_type": {"en": "must be a JSON object", "zh-CN": "必须是 JSON 对象"},
}  # fmt: skip
_OTHERWISE: Final[dict[Language, str]] = {"en": "is not valid", "zh-CN": "无效"}


def field_errors(errors: Sequence[Mapping[str, Any]], language: Language) -> list[dict[str, str]]:
    """The first errors as {pointer, detail}; input values are never repeated."""
    return [
        {"pointer": pointer(error["loc"]), "detail": _detail(error, language)}
        for error in errors[:ERRORS_MAX]
    ]


def pointer(location: Sequence[str | int]) -> str:
    """`#/quantity` for a field of the body (RFC 6901 as a URI fragment), `path:sale_id` for a parameter."""
    where, *steps = location
    if where == "body":
        path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
        return f"#{path}"[:POINTER_CHARACTERS_MAX]
    return f"{where}:{'.'.join(str(step) for step in steps)}"[:POINTER_CHARACTERS_MAX]


def _detail(error: Mapping[str, Any], language: Language) -> str:
    template = _TEXTS.get(str(error["type"]), _OTHERWISE)[language]
    try:
        return template.format(**error.get("ctx", {}))
    except (KeyError, IndexError, ValueError):
        return _OTHERWISE[language]
