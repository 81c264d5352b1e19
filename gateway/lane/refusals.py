"""Problem answers as bytes, at the price of a look-up: each is written once by the app's own writer and then filled in.

A refusal must cost less than what it refuses. Texts, languages and form are those of `kit.web.problems`; here an answer
is cut at the places where facts, the date and the length go.
"""

import json
import random
import re
from collections.abc import Mapping
from math import ceil
from types import NoneType
from typing import Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.limiting import limit_answer
from gateway.limits_headers import limit_field, retry_after
from kit.errors import DomainError
from kit.web.languages import Language, preferred_language
from kit.web.problems import Problems
from queueing.limits.errors import QuotaExceeded
from queueing.limits.terms import Terms

# Waits beyond it (the start of a sale is days away) are written anew each time: there are too many to keep.
RETRY_SECONDS_KEPT_MAX: Final = 60
# Routes, languages, and which of a route's limits refused: a handful each.
LIMIT_TEMPLATES_MAX: Final = 512
_OF_THE_MOMENT: Final = (b"ratelimit", b"retry-after")  # neighbours, in this order
_HOLE: Final = 10**15 + 7  # no text of ours holds this number
_PLACE: Final = re.compile(r"\{(\w+)\}")
_Key = tuple[str, Language, int | None]  # code, language, wait
# Every fact that a code may show, with its type; NoneType where it is absent.
_Kinds = tuple[tuple[str, type], ...]
_NOTHING: Final[Mapping[str, object]] = {}


class _Template:
    """One code in one language, with holes where facts go, in the order of `places`."""

    __slots__ = ("_body", "_facts", "_fields", "_line", "_numbers", "kinds")

    def __init__(self, answer: Response, kinds: _Kinds, holes: Mapping[str, object]) -> None:
        names = list(holes)
        self.kinds = kinds
        body = bytes(answer.body).decode().replace("%", "%%")
        hole = re.compile("|".join(str(_HOLE + number) for number in range(len(names))) or r"(?!)")
        places = [names[int(found) - _HOLE] for found in hole.findall(body)]
        self._numbers = all(type(holes[name]) is int for name in places)
        self._body = hole.sub("%d" if self._numbers else "%b", body).encode()
        self._facts = places
        self._line = STATUS_LINE[answer.status_code]
        self._fields = b"".join(
            b"%b: %b\r\n" % field for field in answer.raw_headers if field[0] != b"content-length"
        )

    def fits(self, facts: Mapping[str, object]) -> bool:
        """Whether these are the facts that it was made for: the same ones, of the same types."""
        for name, kind in self.kinds:  # noqa: SIM110 - a generator costs more than what it looks at
            if type(facts.get(name)) is not kind:
                return False
        return True

    def filled(self, date: bytes, facts: Mapping[str, object]) -> bytes:
        told = [facts[name] for name in self._facts]
        body = self._body % tuple(told if self._numbers else map(_inside_json, told))
        return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (self._line, date, self._fields, len(body), body)


class _LimitTemplate:
    """The refusals that tell of the same limits in one language: they differ by when to come back alone."""

    __slots__ = ("_after", "_before", "_line", "_tells")

    def __init__(self, answer: Response) -> None:
        fields = answer.raw_headers
        first = next(place for place, (name, _) in enumerate(fields) if name in _OF_THE_MOMENT)
        rest = [field for field in fields[first:] if field[0] not in _OF_THE_MOMENT]
        self._tells = fields[first][0] == b"ratelimit"
        self._line = STATUS_LINE[answer.status_code]
        self._before = b"".join(b"%b: %b\r\n" % field for field in fields[:first])
        self._after = b"%b\r\n%b" % (b"".join(b"%b: %b\r\n" % field for field in rest), bytes(answer.body))

    def filled(self, date: bytes, error: QuotaExceeded, jitter: float) -> bytes:
        waits = error.waits
        told = b"ratelimit: %b\r\n" % limit_field(error.decision, waits).encode() if self._tells else b""
        wait = retry_after(waits, jitter)
        return b"%b%b%b%bretry-after: %d\r\n%b" % (self._line, date, self._before, told, wait, self._after)


class Refusals:
    """The refusals of one door. `renew` once a second, with the answers' date."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._templates: dict[_Key, _Template] = {}
        self._limits: dict[tuple[Language, Terms, tuple[int, ...]], _LimitTemplate] = {}
        self._whole: dict[_Key, bytes] = {}
        self._date = b""

    def renew(self, date: bytes) -> None:
        self._date = date
        self._whole.clear()

    def of(self, error: DomainError, language: Language) -> bytes:
        """The answer to `error`."""
        wait = error.retry_after_seconds
        retry = None if wait is None else max(1, ceil(wait))
        return self.answer(error.code, language, error.facts, retry)

    def answer(
        self,
        code: str,
        language: Language,
        facts: Mapping[str, object] = _NOTHING,
        retry_after_seconds: int | None = None,
    ) -> bytes:
        """The answer for `code`; but for the date the same as the app's."""
        key = (code, language, retry_after_seconds)
        whole = self._whole.get(key)
        if whole is not None:
            return whole
        template = self._templates.get(key)
        if template is None or not template.fits(facts):
            template = self._template(key, facts)
        answer = template.filled(self._date, facts)
        if not template.kinds and (retry_after_seconds or 0) <= RETRY_SECONDS_KEPT_MAX:
            self._whole[key] = answer
        return answer

    def limited(self, error: QuotaExceeded, asked_language: str | None) -> bytes:
        """The refusal of a limit, whose numbers are its caller's own."""
        refusing = tuple([place for place, _ in error.waits])
        key = (preferred_language(asked_language), error.decision.terms, refusing)
        template = self._limits.get(key)
        if template is None:
            if len(self._limits) >= LIMIT_TEMPLATES_MAX:
                self._limits.clear()
            template = _LimitTemplate(limit_answer(self._problems, error, asked_language))
            self._limits[key] = template
        return template.filled(self._date, error, random.random())  # noqa: S311 - spreads a crowd, hides nothing

    def _shown(self, code: str) -> tuple[str, ...]:
        """The facts that an answer to `code` may show."""
        text = self._problems.table.get(code)
        if text is None:
            return ()
        return tuple(dict.fromkeys([*_PLACE.findall(text.detail["en"]), *text.members]))

    def _template(self, key: _Key, facts: Mapping[str, object]) -> _Template:
        """The template for these facts; the same code tells the same ones nearly always, so the last is kept."""
        code, language, retry = key
        kinds = tuple([(name, type(facts.get(name))) for name in self._shown(code)])
        # A hole is of its fact's type, so that JSON puts quotes around texts and none around numbers.
        told = [(name, kind) for name, kind in kinds if kind is not NoneType]
        holes: dict[str, object] = {
            name: _HOLE + number if kind is int else str(_HOLE + number)
            for number, (name, kind) in enumerate(told)
        }
        scope = {"type": "http", "headers": [(b"accept-language", language.encode())]}
        answer = self._problems.answer(scope, code, facts=holes, retry_after_seconds=retry)
        template = _Template(answer, kinds, holes)
        if (retry or 0) <= RETRY_SECONDS_KEPT_MAX:
            self._templates[key] = template
        return template


def _inside_json(fact: object) -> bytes:
    return json.dumps(str(fact), ensure_ascii=False)[1:-1].encode()
