"""What the shoppers' page must be whatever it grows to: small, self-contained, and at home under a strict policy."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.page import FOLDER

PAGE_BYTES_MAX = (
    60_000  # all of it, uncompressed: everybody fetches it in the same minute, many on a bad line
)
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
LANGUAGES = 2


class Markup(HTMLParser):
    """Collects what a Content-Security-Policy without 'unsafe-inline' would refuse, and what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self._open_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)
        self.references += [value for name in ("src", "href") if (value := found.get(name))]
        self.ids += [value for name in ("id",) if (value := found.get(name))]
        self.words += [value for name in ("data-say",) if (value := found.get(name))]


@pytest.fixture
def markup() -> Markup:
    return Markup((FOLDER / "index.html").read_text(encoding="utf-8"))


def test_whole_page_fits_in_sixty_kilobytes() -> None:
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert sum(sizes.values()) <= PAGE_BYTES_MAX, sizes


def test_markup_carries_no_inline_script_or_style(markup: Markup) -> None:
    assert markup.inline == []


def test_page_refers_to_nothing_but_its_own_files(markup: Markup) -> None:
    own = {path.name for path in FILES} | {"./"}
    assert set(markup.references) <= own
    for path in FILES:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://|url\(|@import", text) == [], path.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_makes_no_code_or_markup_from_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        == []
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_imports_only_modules_that_are_there_and_stays_short(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    imported = re.findall(r'from "\./([^"]+)"', text)
    assert text.count(' from "') == len(imported)
    assert {FOLDER / name for name in imported} <= set(SCRIPTS)
    assert len(text.splitlines()) <= 200


def test_every_element_that_scripts_paint_is_in_the_markup_once(markup: Markup) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    painted = set(re.findall(r'\$\("([\w-]+)"\)|(?:post|anew)\("([\w-]+)"', text))
    assert len(markup.ids) == len(set(markup.ids))
    assert {one or other for one, other in painted} <= set(markup.ids)


def test_every_word_is_said_in_both_languages(markup: Markup) -> None:
    texts = (FOLDER / "texts.js").read_text(encoding="utf-8")
    words, stages = texts.split("const STAGES")
    for line in re.findall(r"^  \w+: \[.*\],$", words, re.MULTILINE):
        assert len(re.findall(r'"[^"]*"', line)) == LANGUAGES, line
    for line in re.findall(r"^  \w+: \[\[.*$", stages, re.MULTILINE):
        assert len(re.findall(r'"[^"]+"', line)) == 2 * LANGUAGES, line
    assert set(markup.words) <= set(re.findall(r"^  (\w+):", words, re.MULTILINE))
