"""Every command that the project offers is in the Makefile, and `make help` lists it.

The story: people learn a project by its Makefile; a target that is promised in a document and missing there is the
first thing a newcomer types and the last one.
The way out: add the target; one that is not written yet says what is missing and exits non-zero.
"""

import re
from typing import Final

import pytest

from tests.house.tree import ROOT

PROMISED: Final = ("help", "run", "test", "check", "bench", "faults", "rehearse", "k8s")


def targets(makefile: str) -> dict[str, str]:
    """Each target with the sentence that `make help` shows."""
    return dict(re.findall(r"^([a-z0-9]+):(?!=)[^\n#]*(?:##[ \t]*([^\n]*))?$", makefile, re.MULTILINE))


@pytest.mark.parametrize("name", PROMISED)
def test_the_makefile_has_every_command(name: str) -> None:
    found = targets((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert name in found, f"`make {name}` is promised and missing"
    assert found[name], f"`make {name}` needs a sentence after ## for `make help`"


def test_the_rule_sees_a_target_that_is_missing_or_says_nothing() -> None:
    found = targets("run: x  ## starts\ncheck: y\nX := 1\nname:=2\n")
    assert found == {"run": "starts", "check": ""}
