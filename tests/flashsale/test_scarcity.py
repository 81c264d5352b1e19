"""SCARCITY.md is true of the code: what is bounded, taken or given back by name has its row, and no row is of the past."""

import re
from pathlib import Path
from typing import Final

import pytest

import flashsale
from flashsale import dues
from flashsale.settings import FlashsaleSettings

ROOM: Final = Path(flashsale.__file__).parent
PAGE: Final = (ROOM / "SCARCITY.md").read_text(encoding="utf-8")


def rows(page: str, pattern: str) -> dict[str, str]:
    """The first cell of each table row that `pattern` matches whole, and the cell after it."""
    found = re.findall(rf"^\| `({pattern})` \| ([^|]*) \|", page, re.MULTILINE)
    assert len(found) == len(dict(found)), "a row is there twice"
    return dict(found)


def unlisted(page: str, wanted: dict[str, str], pattern: str) -> list[str]:
    """What has no row or another value in it, and rows of what is not there any more."""
    listed = rows(page, pattern)
    missing = [f"{name} has no row" for name in wanted if name not in listed]
    stale = [f"{name} is not there any more" for name in listed if name not in wanted]
    wrong = [
        f"{name} is {value}, not {listed[name]}"
        for name, value in wanted.items()
        if value not in ("", listed.get(name, value))
    ]
    return missing + stale + wrong


def _settings() -> dict[str, str]:
    return {
        f"FLASHSALE_{name.upper()}": str(field.default)
        for name, field in FlashsaleSettings.model_fields.items()
    }


def _files(kind: str) -> dict[str, str]:
    return {path.name: "" for path in (ROOM / kind).iterdir() if path.suffix == f".{kind}"}


SETTING: Final = r"FLASHSALE_\w+"


def test_every_setting_has_its_row_with_its_default() -> None:
    assert not unlisted(PAGE, _settings(), SETTING)


@pytest.mark.parametrize("kind", ["lua", "sql"])
def test_every_script_and_statement_has_its_row(kind: str) -> None:
    assert len(_files(kind)) > 5
    assert not unlisted(PAGE, _files(kind), rf"\w+\.{kind}")


def test_the_times_of_the_lifecycle_are_those_of_the_code() -> None:
    times = {
        name: str(value) for name, value in vars(dues).items() if name.isupper() and isinstance(value, float)
    }
    assert not unlisted(PAGE, times, r"(?:REFUND|ASK)_\w+")


def test_the_rule_sees_what_is_missing_stale_or_wrong() -> None:
    page = "| `FLASHSALE_A` | 1 | x |\n| `FLASHSALE_B` | 2 | x |\n"
    assert not unlisted(page, {"FLASHSALE_A": "1", "FLASHSALE_B": "2"}, SETTING)
    assert unlisted(page, {"FLASHSALE_A": "1"}, SETTING) == ["FLASHSALE_B is not there any more"]
    assert unlisted(page, {"FLASHSALE_A": "1", "FLASHSALE_B": "3"}, SETTING) == ["FLASHSALE_B is 3, not 2"]
    wanted = {"FLASHSALE_A": "1", "FLASHSALE_B": "2", "FLASHSALE_NEW": "1"}
    assert unlisted(page, wanted, SETTING) == ["FLASHSALE_NEW has no row"]
