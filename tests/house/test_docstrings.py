"""Every module opens with a docstring: what it promises and who calls it, or what a test file shows.

The story: the name of a file says what it holds and never why; the next reader decides from the first paragraph
whether to read on. A test file without one is a list of cases of something.
The way out: one to five sentences, the reason first.
"""

import ast
from collections.abc import Iterable

from tests.house.tree import Source, python, sample


def modules_without_docstring(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path} has no docstring: say in a sentence what it promises, or what it shows"
        for source in sources
        if source.tree.body and not source.is_generated and not ast.get_docstring(source.tree)
    ]


def test_every_module_says_what_it_is_for() -> None:
    found = modules_without_docstring(python())
    assert not found, "\n".join(found)


def test_the_rule_sees_a_module_without_docstring() -> None:
    assert modules_without_docstring(sample("import os\n", "tests/kit/test_x.py"))
    assert modules_without_docstring(sample("", "tests/kit/__init__.py")) == []
