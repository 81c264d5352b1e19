"""No loose ends: no notes to ourselves in the code, no test skipped without saying why.

The story: a note "to do" is a promise that nobody tracks, and a skipped test is a promise that looks kept. What is
not done is either an issue or a sentence in the documentation that says what is missing.
The way out: do it, or write down for the reader what is not there; give every skip its reason.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.house.tree import Source, calls, everything, python, sample

# Spelled apart, because this file is read by its own rule.
NOTES: Final = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
EXCUSES: Final = frozenset({"skip", "skipif", "xfail", "importorskip"})


def notes(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path}:{number} leaves a note ({match[0]}): do it, or say in a sentence what is not there"
        for source in sources
        for number, line in enumerate(source.lines, start=1)
        if (match := NOTES.search(line))
    ]


def _excuse(node: ast.AST) -> str | None:
    """`skip`, `skipif`, `xfail` … where the node is that name of pytest's."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"pytest", "pytest.mark"}:
        return node.attr if node.attr in EXCUSES else None
    return None


def _unexcused(source: Source) -> Iterator[int]:
    called = set()
    for call, name in calls(source):
        if _excuse(call.func) is None:
            continue
        called.add(call.func)
        by_keyword = any(word.arg == "reason" for word in call.keywords)
        if not by_keyword and not (name == "skip" and call.args):
            yield call.lineno
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and _excuse(node) is not None and node not in called:
            yield node.lineno


def skips_without_reason(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path}:{line} skips without a reason: say what is missing and where it does run"
        for source in sources
        for line in _unexcused(source)
    ]


def test_nobody_leaves_notes() -> None:
    found = notes(everything())
    assert not found, "\n".join(found)


def test_every_skip_says_why() -> None:
    found = skips_without_reason(python())
    assert not found, "\n".join(found)


def test_the_rule_sees_a_note() -> None:
    assert notes(sample("x = 1  # TO" + "DO: later"))
    assert not notes(sample("todo_list = 'XXXL'"))


def test_the_rule_sees_a_skip_without_reason() -> None:
    for text in (
        "@pytest.mark.skip\ndef test_a(): ...",
        "@pytest.mark.skipif(True)\ndef test_a(): ...",
        "@pytest.mark.xfail()\ndef test_a(): ...",
        "def test_a():\n    pytest.skip()",
    ):
        assert skips_without_reason(sample(text)), text
    assert not skips_without_reason(
        sample("pytest.skip('needs Chromium')\npytest.mark.skipif(x, reason='y')")
    )
