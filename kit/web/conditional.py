"""Documents that are the same for everybody: written once, answered from memory, 304 to who has them (RFC 9110, 13)."""

import hashlib
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes with their validator and how long a cache may keep them."""

    body: bytes
    media_type: str
    etag: str
    cache_control: str

    @classmethod
    def of(cls, body: bytes, *, media_type: str, cache_control: str, identity: bytes | None = None) -> Self:
        """`identity` is what makes it another document, where that is less than all its bytes (no clock reading)."""
        digest = hashlib.blake2b(body if identity is None else identity, digest_size=12).hexdigest()
        return cls(body, media_type, f'W/"{digest}"', cache_control)

    def answer(self, request: Request, headers: dict[str, str] | None = None) -> Response:
        """200 with the body, or 304 where the caller has it."""
        fields = {"ETag": self.etag, "Cache-Control": self.cache_control, **(headers or {})}
        if has(request.headers.get("if-none-match"), self.etag):
            return Response(status_code=304, headers=fields)
        return Response(self.body, media_type=self.media_type, headers=fields)


def has(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller's `If-None-Match` names the document (weak comparison, RFC 9110, 8.8.3.2)."""
    if if_none_match is None:
        return False
    opaque = etag.removeprefix("W/")
    given = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return opaque in given or if_none_match.strip() == "*"
