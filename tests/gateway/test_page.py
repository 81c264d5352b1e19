"""The shoppers' page from memory: typed, compressed, cacheable, and nothing outside its folder."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gateway.page import FILE_BYTES_MAX, add_page, read_page
from tests.gateway.scene import Scene, assert_problem


@pytest.fixture
async def page(tmp_path: Path) -> httpx.AsyncClient:
    (tmp_path / "index.html").write_text("<!doctype html>" + "hello " * 100)
    (tmp_path / "app.js").write_text("export const one = 1;" * 50)
    (tmp_path / "dot.svg").write_text("<svg/>")
    (tmp_path / ".secret").write_text("no")
    (tmp_path / "archive.bin").write_bytes(b"a" * (FILE_BYTES_MAX + 1))
    app = FastAPI(redirect_slashes=False)
    add_page(app, read_page(tmp_path))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page.test")


async def test_the_page_is_at_the_root_and_its_files_under_their_names(page: httpx.AsyncClient) -> None:
    for path, media_type in {
        "/": "text/html; charset=utf-8",
        "/index.html": "text/html; charset=utf-8",
        "/app.js": "text/javascript; charset=utf-8",
        "/dot.svg": "image/svg+xml",
    }.items():
        answer = await page.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert "max-age" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        head = await page.head(path)
        assert (head.status_code, head.content) == (200, b"")


async def test_each_form_of_a_file_has_its_own_validator(page: httpx.AsyncClient) -> None:
    zipped = await page.get("/app.js", headers={"Accept-Encoding": "gzip"})
    plain = await page.get("/app.js", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert (zipped.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert zipped.text == plain.text
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    again = await page.get(
        "/app.js", headers={"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/.secret", "/archive.bin", "/../secret", "/%2e%2e/secret", "/app.js/"])
async def test_nothing_else_is_served(page: httpx.AsyncClient, path: str) -> None:
    assert (await page.get(path)).status_code == 404


async def test_the_shipped_page_is_there_and_small(scene: Scene) -> None:
    answer = await scene.http.get("/")
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert_problem(await scene.http.get("/no-such-file.js"), 404, "not_found")
