"""Problem answers written once and then only sent, for what is refused beneath or before the framework."""

import json
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from kit.web.languages import Language, spoken_language
from kit.web.texts import GENERAL

TYPE_PREFIX: Final = "urn:floodgate:problem:"
VARIANTS_MAX: Final = 512  # a dozen codes, two languages, thirty waits at most

Header = tuple[bytes, bytes]


@lru_cache(maxsize=VARIANTS_MAX)
def written_problem(
    code: str, language: Language, retry_after_seconds: int | None = None
) -> tuple[int, tuple[Header, ...], bytes]:
    """Status, headers and body for a code of `GENERAL` whose text names no facts."""
    text = GENERAL[code]
    document = {
        "type": f"{TYPE_PREFIX}{code}",
        "title": text.title[language],
        "status": text.status,
        "detail": text.detail[language],
        "code": code,
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-language", language.encode()),
        (b"vary", b"Accept-Language"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
    ]
    if retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % retry_after_seconds))
    return text.status, tuple(headers), body


@lru_cache(maxsize=VARIANTS_MAX)
def raw_problem(
    code: str,
    language: Language,
    *,
    retry_after_seconds: int | None = None,
    close: bool = True,
    head_only: bool = False,
) -> bytes:
    """The whole HTTP/1.1 answer, ready for the socket. `head_only` answers a HEAD."""
    status, headers, body = written_problem(code, language, retry_after_seconds)
    lines = [
        b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()),
        *(b"%s: %s" % header for header in headers),
        *([b"connection: close"] if close else []),
    ]
    return b"\r\n".join([*lines, b"", b"" if head_only else body])


def language_of(headers: Iterable[Header] | None) -> Language:
    """The language that those headers that have come ask for."""
    for name, value in headers or ():
        if name == b"accept-language":
            return spoken_language(value)
    return spoken_language(None)
