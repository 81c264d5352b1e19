"""Every error that a room raises has a status and words in both languages at the doors that can meet it.

The story: an error without an entry in the door's table leaves as `500 internal`; the shopper reads "unexpected" when
the truth was "sold out", and only a production log knows better.
The way out: add the code to `gateway/errors.py` or `ops/console/problems.py`; for what only a sale file can cause,
to `ops/planning/language.py`; for what never leaves a worker, to the list below with the place where it is caught.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Final

import pytest

from gateway.errors import PROBLEMS
from kit.errors import DomainError
from kit.web.texts import GENERAL, ProblemText, problem_text
from ops.console.problems import TABLE
from ops.planning.language import REFUSALS

LANGUAGES: Final = ("en", "zh-CN")
STATUSES: Final = frozenset({*range(400, 500), 500, 503})
HAN: Final = re.compile(r"[一-鿿]")
ROOMS: Final = ("kit", "flashsale", "queueing", "rewards", "gateway", "ops.desk", "ops.planning")
# Caught before any door: why, and where.
NEVER_SHOWN: Final = {
    "domain_error": "the base class, never raised",
    "provider_unknown": "payments and payouts turn it into an unknown outcome that is asked for again",
    "provider_refused": "payments and payouts turn it into a named state of the row",
    "earlier_confirmations_open": "the worker's; the event stays due and is opened again",
    "balance_too_low": "the ledger's last guard; the worker's transaction ends without a commit",
    "sale_file_invalid": "its problems carry their own words",
}


def _classes(of: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in of.__subclasses__():
        yield one
        yield from _classes(one)


def raised_by_rooms() -> dict[str, type[DomainError]]:
    """Every code that a class of the program carries, whichever module declares it."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    return {one.code: one for one in _classes(DomainError) if one.__module__.startswith(ROOMS)}


def without_words(raised: Iterable[str], shown: Iterable[str]) -> list[str]:
    return [
        f"{code} has no words: a door would answer 500"
        for code in sorted({*raised} - {*shown} - {*NEVER_SHOWN})
    ]


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def half_said(table: Mapping[str, ProblemText]) -> list[str]:
    found = []
    for code, text in table.items():
        if text.status not in STATUSES:
            found.append(f"{code} answers {text.status}, which is no refusal")
        for part in (text.title, text.detail):
            if set(part) != set(LANGUAGES) or not all(part.values()):
                found.append(f"{code} is not said in both languages")
            elif not HAN.search(part["zh-CN"]) or HAN.search(part["en"]):
                found.append(f"{code} says the same thing in both languages")
            elif _placeholders(part["en"]) != _placeholders(part["zh-CN"]):
                found.append(f"{code} tells other facts in one language than in the other")
    return found


def test_every_error_has_words_where_it_is_shown() -> None:
    found = without_words(raised_by_rooms(), {**GENERAL, **PROBLEMS, **TABLE, **REFUSALS})
    assert not found, "\n".join(found)


@pytest.mark.parametrize("table", [GENERAL, PROBLEMS, TABLE], ids=["every door", "gateway", "console"])
def test_every_problem_is_said_in_both_languages(table: Mapping[str, ProblemText]) -> None:
    found = half_said(table)
    assert not found, "\n".join(found)


def test_what_is_never_shown_exists() -> None:
    """A list of exceptions that outlives its classes would excuse the next one of that name."""
    assert set(NEVER_SHOWN) - {"domain_error"} <= set(raised_by_rooms())


def test_the_rule_sees_an_error_without_words() -> None:
    assert without_words(["sold_out", "brand_new"], ["sold_out"]) == [
        "brand_new has no words: a door would answer 500"
    ]


def test_the_rule_sees_words_that_are_half_said() -> None:
    good = problem_text(409, ("Sold out", "{n} left."), ("已售罄", "还剩 {n} 件。"))
    assert half_said({"good": good}) == []
    assert half_said({"status": problem_text(200, ("A", "B"), ("甲", "乙"))})
    assert half_said({"empty": problem_text(409, ("A", ""), ("甲", "乙"))})
    assert half_said({"same": problem_text(409, ("A", "B"), ("A", "B"))})
    assert half_said({"facts": problem_text(409, ("A", "{n}"), ("甲", "乙"))})
