"""Names say what a thing is.

The story: "manager", "helper" and "utils" are where code goes that nobody wanted to name, and there it stays; "data"
and "process_…" say only that a program is a program. The words of the design (ticket, frontier, admission, hold,
grant, payout …) are used in code, tables, metrics and API alike, so that a person can search for one of them.
The way out: name the thing after what it knows or promises; if that is hard, it is two things.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.house.tree import Source, python, sample

BANNED: Final = frozenset(
    {"manager", "managers", "helper", "helpers", "util", "utils", "handler", "handlers", "data"}
)
# HTTP frameworks call what answers an error a handler, and so do their callers.
ERROR_HANDLERS: Final = ("kit/web/",)
# Names that asyncio calls, so nobody here chose them.
GIVEN: Final = frozenset({"data_received"})
WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str]:
    """`readUserData` and `read_user_data` → read, user, data."""
    return [word.lower() for word in WORDS.findall(name)]


def _names(source: Source) -> Iterator[tuple[int, str]]:
    for part in PurePosixPath(source.path).with_suffix("").parts:
        yield 1, part
    for node in ast.walk(source.tree):
        named = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if named and node.name not in GIVEN:
            yield node.lineno, node.name


def empty_names(sources: Iterable[Source]) -> list[str]:
    found = []
    for source in sources:
        for line, name in _names(source):
            parts = words(name)
            banned = BANNED & set(parts)
            if source.path.startswith(ERROR_HANDLERS):
                banned -= {"handler", "handlers"}
            if name.startswith("process_"):
                banned |= {"process_…"}
            if banned and not (source.is_test and name.startswith("test_")):
                found.append(
                    f"{source.path}:{line} is named {name}: {', '.join(sorted(banned))} says nothing"
                )
    return found


def test_no_name_is_empty() -> None:
    found = empty_names(python())
    assert not found, "\n".join(found)


def test_the_rule_sees_empty_names_of_modules_classes_and_functions() -> None:
    assert empty_names(sample("", "flashsale/utils.py"))
    assert empty_names(sample("", "flashsale/helpers/stock.py"))
    assert empty_names(sample("class StockManager: ..."))
    assert empty_names(sample("def read_user_data(): ..."))
    assert empty_names(sample("class A:\n    async def process_payment(self): ..."))
    assert empty_names(sample("def error_handler(): ..."))


def test_the_rule_lets_words_that_contain_them_be() -> None:
    assert not empty_names(sample("def room_metadata(): ...\ndef processed(): ...\nclass Database: ..."))
    assert not empty_names(sample("def process(): ...\nclass ProcessState: ...\ndef update_user(): ..."))
    assert not empty_names(sample("def add_error_handler(): ...", "kit/web/problems.py"))
    assert not empty_names(sample("class P:\n    def data_received(self, chunk): ..."))
