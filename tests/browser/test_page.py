"""The shoppers' page in a real Chromium, on real processes: from the door to the reward, and what may go wrong."""

from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Request, Route

from tests.browser.shopper import Shopper, sale_text
from tests.system import System

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WORDS = {
    "zh-CN": {"door": "现在就能排队", "won": "抢到了！", "reward": "100 积分"},
    "en": {"door": "The line is open", "won": "You got it!", "reward": "100 points"},
}
PEOPLE_AHEAD = 8


def some_sale(system: System, *, opens_in_seconds: int = 0, **plan: int) -> str:
    sale_id = f"browser-{uuid4().hex[:12]}"
    system.apply_sale(sale_text(sale_id, **plan), opens_in_seconds=opens_in_seconds)
    return sale_id


def somebody() -> str:
    return f"xiaoming-{uuid4().hex[:6]}"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_shopper_comes_from_the_door_to_the_reward(
    browser: Browser, system: System, screenshots: Path, language: str
) -> None:
    sale_id = some_sale(system, opens_in_seconds=20, rate_per_second=1)
    for number in range(PEOPLE_AHEAD):
        system.join(sale_id, system.sign_in(f"ahead-{number}-{sale_id}"))
    with Shopper(browser, system, somebody(), language) as shopper:
        shopper.open(sale_id)
        shopper.reach("door")
        assert shopper.text("headline") == WORDS[language]["door"]
        assert shopper.page.get_attribute("html", "lang") == language
        shopper.photograph(screenshots, "01-door")

        shopper.join_by_form()
        shopper.reach("waiting")
        shopper.photograph(screenshots, "02-number")
        number_told = shopper.number(sale_id)
        shopper.page.reload()
        shopper.reach("waiting")
        assert shopper.number(sale_id) == number_told
        shopper.page.wait_for_selector('body[data-stage="waiting"][data-gate="ajar"]')
        shopper.photograph(screenshots, "03-line")

        shopper.reach("turn")
        shopper.photograph(screenshots, "04-turn")
        shopper.pick("earbuds-air")
        shopper.page.select_option("#quantity", "2")
        shopper.act()
        shopper.reach("held")
        shopper.photograph(screenshots, "05-held")
        shopper.pay()
        shopper.reach("confirmed")
        assert shopper.text("headline") == WORDS[language]["won"]
        shopper.wait_for_rewards(2)
        assert WORDS[language]["reward"] in shopper.text("rewards-list")
        shopper.photograph(screenshots, "06-reward")

        (reservation,) = shopper.reservations()
        told = (reservation["state"], reservation["sku"], reservation["quantity"])
        assert told == ("confirmed", "earbuds-air", 2)


def test_answer_that_was_lost_is_found_again_and_nothing_is_bought_twice(
    browser: Browser, system: System, screenshots: Path
) -> None:
    """The gateway acts, its answer is lost, the page is reloaded meanwhile: the same key asks until it is told."""
    sale_id = some_sale(system)
    keys: list[str | None] = []

    def lose_the_first(route: Route, request: Request) -> None:
        keys.append(request.headers.get("idempotency-key"))
        if len(keys) == 1:
            route.fetch()
            route.abort()
        elif len(keys) == 2:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="")
        else:
            route.continue_()

    with Shopper(browser, system, somebody(), "en") as shopper:
        shopper.page.route("**/sales/*/reservations", lose_the_first)
        shopper.enter(sale_id)
        shopper.act()
        shopper.page.wait_for_selector("#banner:visible")
        assert shopper.page.get_attribute("body", "data-stage") == "buying"
        shopper.photograph(screenshots, "11-lost-answer")
        shopper.page.reload()
        shopper.reach("held")
        assert len(keys) >= 2
        assert len(set(keys)) == 1
        assert len(shopper.reservations()) == 1


def test_hold_that_ran_out_or_was_given_up_lets_the_shopper_buy_again(
    browser: Browser, system: System, screenshots: Path
) -> None:
    sale_id = some_sale(system, hold_seconds=6)
    with Shopper(browser, system, somebody(), "zh-CN") as shopper:
        shopper.enter(sale_id)
        shopper.act()
        shopper.reach("held")
        shopper.reach("turn_again")
        shopper.photograph(screenshots, "12-expired")
        shopper.act()
        shopper.reach("held")
        shopper.page.click("#secondary")
        shopper.page.click('#secondary[data-act="releaseSure"]')
        shopper.reach("turn_again")
        assert sorted(one["state"] for one in shopper.reservations()) == ["expired", "released"]


def test_sold_out_is_said_to_who_waits_and_to_who_is_too_late(
    browser: Browser, system: System, screenshots: Path
) -> None:
    sale_id = some_sale(system, phones=1, earbuds=2)
    with (
        Shopper(browser, system, somebody(), "zh-CN") as first,
        Shopper(browser, system, somebody(), "en") as late,
    ):
        late.enter(sale_id)
        first.enter(sale_id)
        first.pick("phone-x")
        first.act()
        first.reach("held")
        late.page.wait_for_selector('.gone input[value="phone-x"]', state="attached")
        with Shopper(browser, system, somebody(), "en") as second:
            second.enter(sale_id)
            second.page.select_option("#quantity", "2")
            second.act()
            second.reach("held")
        late.reach("sold_out")
        late.photograph(screenshots, "13-sold-out")


def test_lost_connection_is_said_and_the_place_kept(
    browser: Browser, system: System, screenshots: Path
) -> None:
    sale_id = some_sale(system, opens_in_seconds=600)
    with Shopper(browser, system, somebody(), "zh-CN") as shopper:
        shopper.open_signed_in(sale_id)
        shopper.reach("door")
        assert "token" not in shopper.page.url
        shopper.act()
        shopper.reach("waiting")
        shopper.context.set_offline(True)
        shopper.page.wait_for_selector("#banner:visible")
        shopper.photograph(screenshots, "14-offline")
        assert shopper.page.get_attribute("body", "data-stage") == "waiting"
        shopper.context.set_offline(False)
        shopper.page.wait_for_selector("#banner", state="hidden")


def test_sales_are_picked_and_the_language_switched_without_loading_the_page_again(
    browser: Browser, system: System, screenshots: Path
) -> None:
    sale_id = some_sale(system, opens_in_seconds=600)
    some_sale(system, opens_in_seconds=600)
    with Shopper(browser, system, somebody(), "en") as shopper:
        shopper.page.goto(system.gateway_url)
        shopper.reach("pick")
        shopper.photograph(screenshots, "15-sales")
        shopper.page.evaluate("window.isSamePage = true")
        shopper.page.click(f'a[data-sale="{sale_id}"]')
        shopper.reach("door")
        shopper.page.click("#language")
        assert shopper.text("headline") == WORDS["zh-CN"]["door"]
        assert shopper.page.get_attribute("html", "lang") == "zh-CN"
        shopper.page.go_back()
        shopper.reach("pick")
        assert shopper.page.evaluate("window.isSamePage") is True


def test_without_a_local_issuer_the_shopper_is_sent_to_the_app(
    browser: Browser, system: System, screenshots: Path
) -> None:
    sale_id = some_sale(system, opens_in_seconds=600)
    with Shopper(browser, system, somebody(), "zh-CN") as shopper:
        shopper.page.route("**/v1/local/sign-in", lambda route: route.fulfill(status=404))
        shopper.open(sale_id)
        shopper.reach("door")
        shopper.act()
        shopper.reach("sign_in_app")
        shopper.photograph(screenshots, "16-app")
