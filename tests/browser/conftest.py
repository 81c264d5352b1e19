"""A real Chromium on a phone's screen, and the whole system as processes behind it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from kit.embedded import ServerUrls
from tests.system import ROOT, System

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is: skipped at home where there is none, failed in CI."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    lacks = "No Chromium: `apt-get install --no-install-recommends chromium fonts-noto-cjk`, or set CHROMIUM to one."
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(lacks)
    pytest.skip(lacks)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def system(
    chromium_path: str, servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    with System(servers, tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = ROOT / "var" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
