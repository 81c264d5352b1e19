"""The repository as the house rules read it: every file that is, or may become, part of it.

Each rule is a function from sources to complaints; an empty list means that the rule holds. The complaint names the
file, the line and the way out, so that whoever meets it need not read the rule.
"""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("gateway", "flashsale", "rewards", "queueing", "ops", "kit", "loadtests")
NEVER_OURS: Final = frozenset({".git", ".venv", "var", "node_modules", "__pycache__"})
GENERATED: Final = ("ops/migrations/versions/",)


@dataclass(frozen=True)
class Source:
    """One text file: its path from the root, with slashes, and what it says."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @property
    def is_generated(self) -> bool:
        return self.path.startswith(GENERATED)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


@cache
def everything() -> tuple[Source, ...]:
    """Every text file that git tracks or would; without git, every file beside those that tools leave behind."""
    found = []
    for path in sorted(_paths()):
        try:
            found.append(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture; or deleted and not yet committed so
    return tuple(found)


def _paths() -> Iterable[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        return {ROOT / name for name in listed.stdout.decode().split("\0") if name}
    return {
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(part in NEVER_OURS or part.endswith("_cache") for part in path.relative_to(ROOT).parts)
    }


def python() -> list[Source]:
    """Every Python file, tests too."""
    return [source for source in everything() if source.path.endswith(".py")]


def program() -> list[Source]:
    """The Python files of the program: no tests."""
    return [source for source in python() if source.path.startswith(tuple(f"{name}/" for name in PACKAGES))]


def ending(suffix: str) -> list[Source]:
    """Every file whose name ends so."""
    return [source for source in everything() if source.path.endswith(suffix)]


def calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a file, with the last part of what is called (`session.commit()` → `commit`)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node, node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id


def sample(text: str, path: str = "flashsale/sample.py") -> list[Source]:
    """A file that a rule's self-test makes up."""
    return [Source(path, text)]
