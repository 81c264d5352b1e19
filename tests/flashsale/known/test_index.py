"""The index of defects: each of the twenty-four has tests that exist, and each test of this folder is in it."""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
NUMBERS: Final = range(1, 25)
FAMILIES: Final = {"A": range(1, 10), "B": range(10, 14), "C": range(14, 18), "D": [18], "E": range(19, 25)}


def _defects() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((HERE / "defects.toml").read_text("utf-8"))["defect"]
    return found


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8")) if (ROOT / path).is_file() else ast.parse("")
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(f"{path}::{node.name}" for node in functions if node.name.startswith("test_"))


def test_each_of_the_twenty_four_is_there_once_in_its_family() -> None:
    defects = _defects()
    assert [defect["number"] for defect in defects] == list(NUMBERS)
    for defect in defects:
        assert defect["number"] in FAMILIES[defect["family"]]
        assert defect["what"]
        assert defect["source"]


def test_each_has_a_test_that_exists() -> None:
    for defect in _defects():
        assert defect["tests"], defect["number"]
        for test in defect["tests"]:
            assert test in _tests_of(test.partition("::")[0]), f"{defect['number']}: there is no {test}"


def test_each_test_of_this_folder_is_named_in_it() -> None:
    named = {test for defect in _defects() for test in defect["tests"]}
    here = {
        test
        for path in HERE.glob("test_*.py")
        if path != Path(__file__)
        for test in _tests_of(path.relative_to(ROOT).as_posix())
    }
    assert here <= named, here - named
