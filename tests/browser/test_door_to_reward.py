"""A shopper's whole way through the page, in a real Chromium, on real processes: from the door to the reward."""

from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.shopper import Shopper, sale_text
from tests.system import System

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WORDS = {
    "zh-CN": {"door": "现在就能排队", "won": "抢到了！", "reward": "100 积分"},
    "en": {"door": "The line is open", "won": "You got it!", "reward": "100 points"},
}
PEOPLE_AHEAD = 8


def reservations_of(system: System, user_id: str) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {system.sign_in(user_id)}"}
    answer = httpx.get(f"{system.gateway_url}/v1/me/reservations", headers=headers, timeout=10)
    found: list[dict[str, object]] = answer.raise_for_status().json()["reservations"]
    return found


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_shopper_comes_from_the_door_to_the_reward(
    browser: Browser, system: System, screenshots: Path, language: str
) -> None:
    sale_id = f"browser-{uuid4().hex[:12]}"
    system.apply_sale(sale_text(sale_id, rate_per_second=1), opens_in_seconds=20)
    for number in range(PEOPLE_AHEAD):
        system.join(sale_id, system.sign_in(f"ahead-{number}-{sale_id}"))
    shopper = Shopper(browser, system, f"xiaoming-{uuid4().hex[:6]}", language)

    shopper.open(sale_id)
    shopper.reach("door")
    assert shopper.text("headline") == WORDS[language]["door"]
    assert shopper.page.get_attribute("html", "lang") == language
    shopper.photograph(screenshots, "01-door")

    shopper.join_by_form()
    shopper.reach("waiting")
    shopper.photograph(screenshots, "02-number")
    number = shopper.text("figure-note")
    shopper.page.reload()
    shopper.reach("waiting")
    assert shopper.text("figure-note") == number  # a reload does not lose the place
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
    shopper.page.wait_for_function(
        """() => document.querySelectorAll('#rewards-list [data-state="paid"]').length === 2"""
    )
    assert WORDS[language]["reward"] in shopper.text("rewards-list")
    shopper.photograph(screenshots, "06-reward")

    (reservation,) = reservations_of(system, shopper.user_id)
    assert (reservation["state"], reservation["sku"], reservation["quantity"]) == (
        "confirmed",
        "earbuds-air",
        2,
    )
    assert shopper.complaints == []
    shopper.context.close()
