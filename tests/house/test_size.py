"""Short pieces, with a capped tail.

The story: every codebase we learned from has a file that nobody reads any more, and it was 500 lines long when
someone last thought about splitting it. We aim for 200 lines a file and 25 a function; the build refuses the tail.
The way out: split by noun, never into "part 2"; name the inner loop as what it does.
"""

import ast
from collections.abc import Iterable
from typing import Final

from tests.house.tree import Source, everything, python, sample

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
# Written by tools or by lawyers, and read by neither us nor our reviewers.
NOT_OURS: Final = ("requirements.txt", "requirements-dev.txt", "LICENSE")


def long_files(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path} has {len(source.lines)} lines, more than {FILE_LINES_MAX}: split it by noun"
        for source in sources
        if len(source.lines) > FILE_LINES_MAX and source.path not in NOT_OURS and not source.is_generated
    ]


def long_functions(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path}:{node.lineno} {node.name} has {length} lines, more than {FUNCTION_LINES_MAX}: name its parts"
        for source in sources
        if not source.is_generated
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


def test_no_file_is_too_long() -> None:
    found = long_files(everything())
    assert not found, "\n".join(found)


def test_no_function_is_too_long() -> None:
    found = long_functions(python())
    assert not found, "\n".join(found)


def test_the_rule_sees_a_long_file() -> None:
    assert long_files(sample("x = 1\n" * 401))
    assert not long_files(sample("x = 1\n" * 400))


def test_the_rule_sees_a_long_function_inside_a_class() -> None:
    body = "        x = 1\n"
    assert long_functions(sample("class A:\n    async def long(self):\n" + body * 60))
    assert not long_functions(sample("class A:\n    async def short(self):\n" + body * 59))
