"""Problem answers as whole HTTP/1.1 messages, for what is refused beneath the framework: written once, then only sent."""

import json
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from kit.web.languages import Language, preferred_language
from kit.web.texts import GENERAL

TYPE_PREFIX: Final = "urn:floodgate:problem:"


@lru_cache(maxsize=512)  # a dozen codes, two languages, thirty waits at most
def raw_problem(
    code: str,
    language: Language,
    *,
    retry_after_seconds: int | None = None,
    close: bool = True,
    head_only: bool = False,
) -> bytes:
    """The answer to a code of `GENERAL` whose text names no facts. `head_only` answers a HEAD."""
    text = GENERAL[code]
    document = {
        "type": f"{TYPE_PREFIX}{code}",
        "title": text.title[language],
        "status": text.status,
        "detail": text.detail[language],
        "code": code,
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    lines = [
        f"HTTP/1.1 {text.status} {HTTPStatus(text.status).phrase}",
        "content-type: application/problem+json",
        f"content-language: {language}",
        "vary: Accept-Language",
        "cache-control: no-store",
        f"content-length: {len(body)}",
    ]
    if retry_after_seconds is not None:
        lines.append(f"retry-after: {retry_after_seconds}")
    if close:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if head_only else body)


def language_of(headers: Iterable[tuple[bytes, bytes]] | None) -> Language:
    """The language that those headers that have come ask for."""
    for name, value in headers or ():
        if name == b"accept-language":
            return preferred_language(value.decode("latin-1"))
    return preferred_language(None)
