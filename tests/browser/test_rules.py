"""The page's pure rules, run in the browser that will run them: stage, line, pace, time, money, language."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from gateway.page import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://floodgate.test"
ROOM = {"state": "open", "frontier": 10, "rate_per_second": 5, "gaps": []}
ITEMS = [{"sku": "a", "per_user_limit": 2}, {"sku": "b", "per_user_limit": 1}]
FACTS: dict[str, Any] = {
    "sale": {"items": ITEMS},
    "room": ROOM,
    "reservations": [],
    "ticket": "t",
    "position": 20,
    "holdSeconds": 60,
}
MINE = {"sku": "a", "quantity": 1, "held_at": "2026-11-11T00:00:00Z"}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page that can import the modules; nothing listens there, the files are answered from the folder."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name:
            route.fulfill(path=FOLDER / Path(name).name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    context = browser.new_context()
    page = context.new_page()
    page.route(f"{ORIGIN}/**", answer)
    page.goto(f"{ORIGIN}/")
    yield page
    context.close()


def call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    script = "async ([module, name, given]) => (await import(`/${module}`))[name](...given)"
    return page.evaluate(script, [module, function, list(arguments)])


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("loading", {"sale": None}),
        ("loading", {"room": None}),
        ("scheduled", {"room": ROOM | {"state": "scheduled"}, "ticket": None}),
        ("door", {"ticket": None}),
        ("door", {"ticket": None, "room": ROOM | {"state": "paused"}}),
        ("waiting", {}),
        ("waiting", {"room": ROOM | {"state": "prequeue"}, "position": 0}),
        ("waiting", {"room": ROOM | {"state": "paused"}}),
        ("admitting", {"position": 9}),
        ("turn", {"position": 9, "admission": {"token": "a"}}),
        ("turn_again", {"position": 9, "admission": {}, "reservations": [MINE | {"state": "expired"}]}),
        ("buying", {"intent": {"key": "k"}, "room": ROOM | {"state": "ended"}}),
        ("held", {"reservations": [MINE | {"state": "held"}], "room": ROOM | {"state": "sold_out"}}),
        ("paying", {"reservations": [MINE | {"state": "held"}], "paying": True}),
        ("lapsing", {"reservations": [MINE | {"state": "held"}], "holdSeconds": 0}),
        ("confirmed", {"reservations": [MINE | {"state": "confirmed"}], "room": ROOM | {"state": "ended"}}),
        ("waiting", {"reservations": [MINE | {"state": "confirmed"}], "again": True}),
        ("sold_out", {"room": ROOM | {"state": "sold_out"}}),
        ("ended", {"room": ROOM | {"state": "ended"}}),
        (
            "limit",
            {
                "again": True,
                "reservations": [
                    MINE | {"state": "confirmed", "quantity": 2},
                    MINE | {"state": "confirmed", "sku": "b"},
                ],
            },
        ),
    ],
)
def test_facts_lead_to_one_stage(page: Page, stage: str, changes: dict[str, Any]) -> None:
    assert call(page, "stage.js", "stageOf", FACTS | changes) == stage


def test_hold_that_runs_leads_over_newer_reservations(page: Page) -> None:
    newer = {"state": "expired", "held_at": "2026-11-12T00:00:00Z"}
    found = call(page, "stage.js", "leadingReservation", [newer, MINE | {"state": "held"}])
    assert found["state"] == "held"


def test_people_ahead_are_those_between_the_frontier_and_the_position(page: Page) -> None:
    assert call(page, "line.js", "peopleAhead", 20, ROOM) == 10
    assert call(page, "line.js", "peopleAhead", 5, ROOM) == 0


def test_gaps_where_nobody_stands_are_not_counted(page: Page) -> None:
    assert call(page, "line.js", "peopleAhead", 20, ROOM | {"gaps": [[4, 12], [15, 30]]}) == 3


def test_eta_follows_the_rate_and_is_unknown_in_a_pause(page: Page) -> None:
    assert call(page, "line.js", "etaSeconds", 19, ROOM) == 2
    assert call(page, "line.js", "etaSeconds", 19, ROOM | {"state": "paused"}) is None


def test_asking_is_spread_over_a_third_of_the_pace_and_slower_where_nobody_looks(page: Page) -> None:
    assert call(page, "line.js", "pollDelay", 3, False, 0) == 3
    assert call(page, "line.js", "pollDelay", 3, False, 1) == 4
    assert call(page, "line.js", "pollDelay", 10, True, 0) == 40
    assert call(page, "line.js", "pollDelay", 1, True, 0) == 15
    assert call(page, "line.js", "pollDelay", 86400, False, 0) == 60


def test_retry_never_comes_before_the_server_allows_and_is_bounded(page: Page) -> None:
    assert call(page, "line.js", "retryDelay", 1, 7, 0) == 7
    assert call(page, "line.js", "retryDelay", 99, 0, 1) == 20


def test_clock_takes_the_largest_difference_for_the_nearest(page: Page) -> None:
    """A document can only be older than it looks: three of them, each seen late by another amount."""
    seconds = page.evaluate(
        """async () => {
          const { ServerClock } = await import('/clock.js');
          const clock = new ServerClock();
          for (const late of [900, 50, 400]) clock.learn(new Date(Date.now() + 3_600_000 - late).toISOString(), 0);
          clock.learn('no time', 0);
          return Math.round((clock.now() - Date.now()) / 100) / 10;
        }"""
    )
    assert 3599.8 <= seconds <= 3600


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "00:00"),
        (0.2, "00:01"),
        (299, "04:59"),
        (3600, "01:00:00"),
        (-5, "00:00"),
        (90061, "1 天 01:01:01"),
    ],
)
def test_countdown_reaches_zero_only_when_it_is_over(page: Page, seconds: float, shown: str) -> None:
    assert call(page, "format.js", "countdown", seconds, "zh-CN") == shown


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(199900, "CNY", "¥1,999"), (888, "CNY", "¥8.88"), (500, "JPY", "¥500")],
)
def test_money_is_shown_from_minor_units(page: Page, minor: int, currency: str, shown: str) -> None:
    found = call(page, "format.js", "money", minor, currency, "zh-CN")
    assert found.replace("￥", "¥") == shown


@pytest.mark.parametrize(
    ("preferred", "chosen"),
    [(["zh-TW", "en"], "zh-CN"), (["fr", "en-GB"], "en"), (["en-US", "zh-CN"], "en"), (["fr"], "en")],
)
def test_browser_preference_chooses_the_language(page: Page, preferred: list[str], chosen: str) -> None:
    assert call(page, "texts.js", "chooseLanguage", preferred) == chosen
