"""The shoppers' page: a handful of files, read once, compressed once, answered from memory with validators."""

import gzip
import mimetypes
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kit.web.conditional import Document

FOLDER: Final = Path(__file__).with_name("static")
INDEX: Final = "index.html"
FILE_BYTES_MAX: Final = (
    256 * 1024
)  # the whole page is under 60 kB; a stray archive must not be served from memory
CACHE: Final = "public, max-age=60, stale-while-revalidate=600"
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".html": "text/html; charset=utf-8"}
_HEADERS: Final = {
    # Everything is our own; paying happens on the provider's page, by navigation.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, plain and compressed; each form has a validator of its own."""

    plain: Document
    zipped: Document | None

    @classmethod
    def read(cls, path: Path) -> "PageFile":
        body = path.read_bytes()
        media_type = (
            _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        )
        zipped = gzip.compress(body, mtime=0)
        worthwhile = len(zipped) < len(body)
        return cls(
            Document.of(body, media_type=media_type, cache_control=CACHE),
            Document.of(zipped, media_type=media_type, cache_control=CACHE) if worthwhile else None,
        )

    def answer(self, request: Request) -> Response:
        if self.zipped is not None and _takes_gzip(request):
            return self.zipped.answer(request, {**_HEADERS, "Content-Encoding": "gzip"})
        return self.plain.answer(request, dict(_HEADERS))


def read_page(folder: Path = FOLDER) -> dict[str, PageFile]:
    """Each file of `folder` by its address, `index.html` at `/` too; an absent folder has none."""
    files: dict[str, PageFile] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith(".") or path.stat().st_size > FILE_BYTES_MAX:
            continue
        file = PageFile.read(path)
        files |= dict.fromkeys(("/", f"/{INDEX}") if name == INDEX else (f"/{name}",), file)
    return files


def add_page(app: FastAPI, files: Mapping[str, PageFile]) -> None:
    """Serves each file under its address."""
    for address, file in files.items():
        app.add_route(address, _serve(file), methods=["GET", "HEAD"], include_in_schema=False)


def _serve(file: PageFile) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def serve(request: Request) -> Response:
        return file.answer(request)

    return serve


def _takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight not in {"0", "0.0", "0.00", "0.000"}
    return False
