"""Two readers, one text: README.md and README.zh-CN.md say the same things in the same order.

The story: a translation that is not checked is a photograph of the day it was made. What a machine can see is the
skeleton: the same headings at the same depth, the same commands in code blocks.
The way out: change both; a heading or a command that only one of them has is a reader left behind.
"""

import re
from typing import Final

import pytest

from tests.house.tree import ROOT

READMES: Final = ("README.md", "README.zh-CN.md")
FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def skeleton(text: str) -> list[int]:
    """The depth of every heading, in order; what stands in code blocks is no heading."""
    return [len(match[1]) for match in re.finditer(r"^(#{1,6}) ", FENCE.sub("", text), re.MULTILINE)]


def commands(text: str) -> list[str]:
    """The lines of all code blocks, without comments, which are translated."""
    return [
        line.split("  #")[0].strip()
        for block in FENCE.findall(text)
        for line in block.splitlines()
        if not line.startswith(("```", "#"))
    ]


@pytest.mark.parametrize("name", READMES)
def test_both_readmes_are_there(name: str) -> None:
    assert (ROOT / name).is_file(), f"{name} is missing: users start there, in Chinese and in English"


def test_both_readmes_have_the_same_skeleton() -> None:
    english, chinese = (skeleton((ROOT / name).read_text(encoding="utf-8")) for name in READMES)
    assert english == chinese, "a heading is missing in one of the READMEs"


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (commands((ROOT / name).read_text(encoding="utf-8")) for name in READMES)
    assert english == chinese, "a command is missing in one of the READMEs, or differs"


def test_the_rule_sees_a_missing_heading_and_another_command() -> None:
    assert skeleton("# A\n```\n# no heading\n```\n## B\n") == [1, 2]
    assert skeleton("# A\n## B\n") != skeleton("# A\n")
    assert (
        commands("```sh\nmake run  # go\n```\n") == commands("```sh\nmake run  # 开始\n```\n") == ["make run"]
    )
    assert commands("```sh\nmake run\n```\n") != commands("```sh\nmake test\n```\n")
