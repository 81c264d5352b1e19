"""Problem answers as bytes, at the price of a look-up: each is written once by the app's own writer and then filled in.

A refusal must cost less than what it refuses. Texts, languages and form are those of `kit.web.problems`; here an answer
is cut at the places where facts, the date and the length go.
"""

import json
import random
import re
from collections.abc import Mapping
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
# Code, language, wait, and the name and type of each fact.
_Key = tuple[str, Language, int | None, tuple[tuple[str, type], ...]]
_NOTHING: Final[Mapping[str, object]] = {}


class _Template:
    """One code in one language, with holes where facts go, in the order of `places`."""

    __slots__ = ("_body", "_facts", "_fields", "_line", "_numbers")

    def __init__(self, answer: Response, holes: Mapping[str, object]) -> None:
        names = list(holes)
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
        self._names: dict[str, tuple[str, ...]] = {}
        self._templates: dict[_Key, _Template] = {}
        self._limits: dict[tuple[Language, Terms, tuple[int, ...]], _LimitTemplate] = {}
        self._whole: dict[tuple[str, Language, int | None], bytes] = {}
        self._date = b""

    def renew(self, date: bytes) -> None:
        self._date = date
        self._whole.clear()

    def of(self, error: DomainError, language: Language) -> bytes:
        """The answer to `error`."""
        wait = error.retry_after_seconds
        retry = None if wait is None else max(1, -int(-wait // 1))
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
        names = self._names.get(code)
        if names is None:
            names = self._names[code] = self._shown(code)
        kinds = tuple([(name, type(facts[name])) for name in names if name in facts])
        template = self._templates.get((*key, kinds))
        if template is None:
            template = self._template(*key, kinds)
        answer = template.filled(self._date, facts)
        if not names and (retry_after_seconds or 0) <= RETRY_SECONDS_KEPT_MAX:
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

    def _template(
        self, code: str, language: Language, retry: int | None, kinds: tuple[tuple[str, type], ...]
    ) -> _Template:
        # A hole is of its fact's type, so that JSON puts quotes around texts and none around numbers.
        holes = {name: kind(_HOLE + number) for number, (name, kind) in enumerate(kinds)}
        scope = {"type": "http", "headers": [(b"accept-language", language.encode())]}
        answer = self._problems.answer(scope, code, facts=holes, retry_after_seconds=retry)
        template = _Template(answer, holes)
        if (retry or 0) <= RETRY_SECONDS_KEPT_MAX:
            self._templates[code, language, retry, kinds] = template
        return template


def _inside_json(fact: object) -> bytes:
    return json.dumps(str(fact), ensure_ascii=False)[1:-1].encode()
