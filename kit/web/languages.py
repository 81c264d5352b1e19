"""Which of the two languages an answer speaks: Simplified Chinese or English, by `Accept-Language` (RFC 9110, 12.5.4)."""

from functools import lru_cache
from typing import Final, Literal

Language = Literal["zh-CN", "en"]
HEADER_CHARACTERS_MAX: Final = 256  # browsers send under 100; what follows is not read


@lru_cache(maxsize=512)
def preferred_language(header: str | None) -> Language:
    """The language to answer in; English where the header names neither or is absent (browsers always send it)."""
    best: Language = "en"
    best_quality = 0.0
    for part in (header or "")[:HEADER_CHARACTERS_MAX].split(","):
        tag, _, parameters = part.strip().partition(";")
        language = _spoken(tag.strip().lower())
        quality = _quality(parameters)
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


@lru_cache(maxsize=512)
def spoken_language(header: bytes | None) -> Language:
    """The same of the header's bytes as they came."""
    return preferred_language(None if header is None else header.decode("latin-1"))


def _spoken(tag: str) -> Language | None:
    main = tag.split("-", 1)[0]
    if main == "zh":
        return "zh-CN"
    return "en" if main in {"en", "*"} else None


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
