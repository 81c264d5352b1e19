"""Every Lua script and every SQL file opens with a header.

The story: a script is the only code that two processes run at once on the same keys, and it is read at three in the
morning by someone who did not write it. The header says what the step is for, which keys and arguments it takes and
in what units, and every outcome by name; sixty lines is what one can hold in the head while reading.
The way out: write the header; if the script is too long, it is two steps, or the decision belongs into Python.
"""

import re
from collections.abc import Iterable
from typing import Final

from tests.house.tree import Source, ending, sample

CODE_LINES_MAX: Final = 60
INPUT: Final = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
NAMED: Final = re.compile(r"\b(KEYS|ARGV)\b")


def split(script: Source) -> tuple[list[str], list[str]]:
    """The comment that opens a script, and the lines of code below it."""
    header = []
    for line in script.lines:
        if not line.startswith("--"):
            break
        header.append(line.removeprefix("--").strip())
    code = [line for line in script.lines if line.strip() and not line.lstrip().startswith("--")]
    return header, code


def scripts_without_header(scripts: Iterable[Source]) -> list[str]:
    found = []
    for script in scripts:
        header, code = split(script)
        said, done = "\n".join(header), "\n".join(code)
        if not header or not header[0] or NAMED.match(header[0]) or header[0].startswith("OUTCOMES"):
            found.append(f"{script.path}: the first line must say what the step is for")
        if "OUTCOMES" not in said:
            found.append(f"{script.path}: the header must name every outcome after the word OUTCOMES")
        found += [
            f"{script.path}: the header must say what {kind} are, with units"
            for kind in sorted({match[1] for match in NAMED.finditer(done)})
            if kind not in said
        ]
        missing = {match[0] for match in INPUT.finditer(done)} - {match[0] for match in INPUT.finditer(said)}
        if missing:
            found.append(f"{script.path}: the header does not explain {', '.join(sorted(missing))}")
    return found


def long_scripts(scripts: Iterable[Source]) -> list[str]:
    return [
        f"{script.path} has {length} lines of code, more than {CODE_LINES_MAX}: it is two steps"
        for script in scripts
        if (length := len(split(script)[1])) > CODE_LINES_MAX
    ]


def queries_without_header(queries: Iterable[Source]) -> list[str]:
    return [
        f"{query.path}: the first line must be a comment that says what the query is for"
        for query in queries
        if not query.text.lstrip().startswith("--") or not query.lines[0].lstrip("- ").strip()
    ]


def test_every_script_has_its_header() -> None:
    found = scripts_without_header(ending(".lua"))
    assert not found, "\n".join(found)


def test_no_script_is_too_long() -> None:
    found = long_scripts(ending(".lua"))
    assert not found, "\n".join(found)


def test_every_query_has_its_header() -> None:
    found = queries_without_header(ending(".sql"))
    assert not found, "\n".join(found)


GOOD = """\
-- Gives one unit back.
-- KEYS[1] stock, hash
-- ARGV[1] units
-- OUTCOMES: returned
return redis.call('HINCRBY', KEYS[1], 'available', ARGV[1])
"""


def test_the_rule_accepts_a_header() -> None:
    assert scripts_without_header(sample(GOOD, "flashsale/lua/give.lua")) == []


def test_the_rule_sees_what_a_header_lacks() -> None:
    def complaints(text: str) -> int:
        return len(scripts_without_header(sample(text, "flashsale/lua/bad.lua")))

    assert complaints(GOOD.replace("-- Gives one unit back.\n", "")) == 1
    assert complaints(GOOD.replace("-- OUTCOMES: returned\n", "")) == 1
    assert complaints(GOOD.replace("ARGV[1])", "ARGV[2])")) == 1
    assert complaints("return KEYS[1]") >= 3


def test_the_rule_sees_a_long_script_and_does_not_count_its_comments() -> None:
    assert long_scripts(sample(GOOD + "local x = 1\n" * 60, "a.lua"))
    assert not long_scripts(sample(GOOD + "-- why\n\n" * 60, "a.lua"))


def test_the_rule_sees_a_bare_query() -> None:
    assert queries_without_header(sample("SELECT 1;\n", "a.sql"))
    assert queries_without_header(sample("--\nSELECT 1;\n", "a.sql"))
    assert not queries_without_header(sample("-- One.\nSELECT 1;\n", "a.sql"))
