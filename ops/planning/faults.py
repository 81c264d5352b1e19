"""From pydantic's findings to sentences: the line, the field, what is wrong and how to mend it."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ops.planning.currencies import CURRENCIES
from ops.planning.errors import SaleFileProblem
from ops.planning.messages import problem
from ops.planning.rules import Fault, closest
from ops.planning.schema import known_fields
from ops.planning.tree import Path, Tree, field_name

PROBLEMS_MAX: Final = 50  # more than a person mends in one go
_VALUE_CHARACTERS_MAX: Final = 40
_KINDS: Final = ("points", "coupon", "cash")
_ALLOWED: Final = {
    "id": "a-z, 0-9 and -, from 2 to 64 characters",
    "campaign": "a-z, 0-9 and -, from 2 to 64 characters",
    "sku": "A-Z, a-z, 0-9, . _ and -, up to 64 characters",
    "coupon_code": "A-Z, a-z, 0-9, . _ and -, from 2 to 40 characters",
}
# pydantic's error types → our messages, with the facts each needs.
_CODES: Final[dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]]] = {
    "int_type": ("not_integer", lambda _: {}),
    "int_from_float": ("not_integer", lambda _: {}),
    "string_type": ("not_text", lambda _: {}),
    "list_type": ("not_a_list", lambda _: {}),
    "model_type": ("not_a_section", lambda _: {}),
    "dict_type": ("not_a_section", lambda _: {}),
    "model_attributes_type": ("not_a_section", lambda _: {}),
    "greater_than_equal": ("too_small", lambda context: {"least": context["ge"]}),
    "less_than_equal": ("too_big", lambda context: {"most": context["le"]}),
    "string_too_long": ("too_long", lambda context: {"most": context["max_length"]}),
    "string_too_short": ("too_short", lambda context: {"least": context["min_length"]}),
    "too_long": ("too_long", lambda context: {"most": context["max_length"]}),
    "too_short": ("too_short", lambda context: {"least": context["min_length"]}),
    "union_tag_invalid": ("kind", lambda _: {}),
    "time": ("time", lambda _: {}),
    "time_zone": ("time_zone", lambda _: {}),
    "price_zero": ("price_zero", lambda _: {}),
}


def explain(error: ValidationError, tree: Tree) -> Iterator[SaleFileProblem]:
    """Each finding as a problem, bounded; a field that is only misspelt is not called missing too."""
    findings = error.errors(include_url=False)[:PROBLEMS_MAX]
    misspelt = {
        (*found["loc"][:-1], closest(str(found["loc"][-1]), known_fields(found["loc"][:-1])))
        for found in findings
        if found["type"] == "extra_forbidden"
    }
    for found in findings:
        if not (found["type"] == "missing" and found["loc"] in misspelt):
            yield _explain(found, tree)


def explain_fault(fault: Fault, tree: Tree) -> SaleFileProblem:
    """A mistake between fields as a problem."""
    facts = dict(fault.facts)
    if fault.first_at is not None:
        facts["first"] = tree.line(fault.first_at)
    return problem(fault.code, tree.line(fault.path), field_name(fault.path), **facts)


def _explain(found: ErrorDetails, tree: Tree) -> SaleFileProblem:
    location, kind, given = found["loc"], found["type"], found["input"]
    path = _path(location)
    line, field = tree.line(path), field_name(path)
    if kind == "missing":
        return problem("missing", line, field, name=path[-1])
    if kind == "union_tag_not_found":
        return problem("missing", line, field_name((*path, "kind")), name="kind")
    if kind == "extra_forbidden":
        return _unknown(str(path[-1]), known_fields(location[:-1]), line, field)
    if given is None:
        return problem("null", line, field)
    value = _shown(given)
    if kind == "currency":
        close = closest(str(given).upper(), sorted(CURRENCIES)) or "CNY"
        return problem("currency", line, field, value=value, close=close)
    if kind == "string_pattern_mismatch":
        return problem("pattern", line, field, value=value, allowed=_ALLOWED[str(path[-1])])
    if kind == "union_tag_invalid":
        path = (*path, "kind")
        return problem("kind", tree.line(path), field_name(path), value=_shown(given.get("kind")))
    code, facts = _CODES.get(kind, ("invalid", lambda _: {}))
    return problem(code, line, field, value=value, **facts(found.get("ctx", {})))


def _unknown(name: str, known: list[str], line: int, field: str) -> SaleFileProblem:
    close = closest(name, known)
    if close is not None:
        return problem("unknown_field", line, field, name=name, close=close)
    return problem("unknown_field_listed", line, field, name=name, known=", ".join(known))


def _path(location: tuple[int | str, ...]) -> Path:
    """pydantic names the kind of a reward within its location; the file does not."""
    if len(location) > 2 and location[0] == "rewards" and location[2] in _KINDS:
        return (*location[:2], *location[3:])
    return location


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_CHARACTERS_MAX else text[:_VALUE_CHARACTERS_MAX] + "…"
