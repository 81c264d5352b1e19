"""Documents that are the same for everybody: one validator a content, 304 to who has it."""

import pytest
from starlette.requests import Request

from kit.web.conditional import Document

DOCUMENT = Document.of(b"{}", media_type="application/json", cache_control="public, max-age=1")


def asked(if_none_match: str | None) -> Request:
    headers = [] if if_none_match is None else [(b"if-none-match", if_none_match.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        (None, 200),
        ("", 200),
        ('"other"', 200),
        (DOCUMENT.etag, 304),
        (DOCUMENT.etag.removeprefix("W/"), 304),
        (f'"other", {DOCUMENT.etag}', 304),
        ("*", 304),
        (DOCUMENT.etag[:-2], 200),
    ],
)
def test_whoever_has_the_document_is_told_so(if_none_match: str | None, status: int) -> None:
    answer = DOCUMENT.answer(asked(if_none_match))
    assert (answer.status_code, answer.body) == (status, b"{}" if status == 200 else b"")
    assert answer.headers["ETag"] == DOCUMENT.etag
    assert answer.headers["Cache-Control"] == "public, max-age=1"


def test_what_makes_it_another_document_may_be_less_than_all_its_bytes() -> None:
    first, later = (
        Document.of(body, media_type="text/plain", cache_control="", identity=b"same")
        for body in (b"at 1", b"at 2")
    )
    assert first.etag == later.etag
    assert first.etag != DOCUMENT.etag
