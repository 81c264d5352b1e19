"""A shopper with a phone, as the tests drive one, and the sale files they shop in."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from playwright.sync_api import Browser, Page, ViewportSize
from playwright.sync_api import TimeoutError as Late

from tests.system import System

STAGE_SECONDS_MAX: Final = 45  # the slowest way to any stage here, on a busy machine
PHONES: Final[dict[str, ViewportSize]] = {
    "zh-CN": {"width": 360, "height": 740},
    "en": {"width": 390, "height": 844},
}

SALE: Final = """
sale:
  id: {sale_id}
  campaign: double11
  currency: CNY
  opens_at: 2027-11-11T00:00:00+08:00
  closes_at: 2027-11-11T01:00:00+08:00
  hold_seconds: {hold_seconds}
  admission:
    rate_per_second: {rate_per_second}
  texts:
    zh-CN:
      title: 双十一零点秒杀
      subtitle: 先到先得，凭号入场
      rules: |
        一人一号，先到先得，离开不丢号。
        抢到后请在倒计时内付款，逾期库存退回。
    en:
      title: Double-11 midnight sale
      subtitle: First come, first served
      rules: |
        One number a person, first come, first served.
        Pay before the countdown ends, or the unit goes back.
items:
  - sku: phone-x
    price_minor: 199900
    stock: {phones}
    per_user_limit: 1
    texts:
      zh-CN: {{ title: 星河手机 X, subtitle: 12 GB + 256 GB }}
      en: {{ title: Galaxy-River phone X, subtitle: 12 GB + 256 GB }}
  - sku: earbuds-air
    price_minor: 19900
    stock: {earbuds}
    per_user_limit: 2
    texts:
      zh-CN: {{ title: 轻音耳机 Air, subtitle: 主动降噪 }}
      en: {{ title: Light-Sound earbuds Air, subtitle: Noise cancelling }}
rewards:
  - id: thanks-points
    kind: points
    points: 100
    budget_points: 100000
  - id: early-cash
    kind: cash
    amount_minor: 888
    first_n: 2
    budget_minor: 1776
"""


def sale_text(
    sale_id: str,
    *,
    hold_seconds: int = 120,
    rate_per_second: int = 50,
    phones: int = 5,
    earbuds: int = 5,
) -> str:
    """A sale file of two items."""
    return SALE.format(
        sale_id=sale_id,
        hold_seconds=hold_seconds,
        rate_per_second=rate_per_second,
        phones=phones,
        earbuds=earbuds,
    )


class Shopper:
    """One phone in one language. Everything the page complains about is kept in `complaints`."""

    def __init__(self, browser: Browser, system: System, user_id: str, language: str) -> None:
        self.user_id, self.language, self._system = user_id, language, system
        self.context = browser.new_context(
            viewport=PHONES[language], locale=language, device_scale_factor=2, is_mobile=True, has_touch=True
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(STAGE_SECONDS_MAX * 1000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._hear(message.text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.context.close()
        if error is None:
            assert self.complaints == []

    def _hear(self, text: str) -> None:
        # A refusal that the page expects is an "error" to the browser's console, and no fault.
        if "Failed to load resource" not in text:
            self.complaints.append(text)

    def open(self, sale_id: str) -> None:
        self.page.goto(f"{self._system.gateway_url}/?sale={sale_id}")

    def open_signed_in(self, sale_id: str) -> None:
        """As the shop's app opens the page: with a token in the fragment."""
        token = self._system.sign_in(self.user_id)
        self.page.goto(f"{self._system.gateway_url}/?sale={sale_id}#token={token}")

    def enter(self, sale_id: str) -> None:
        """Comes with a token, joins, and waits for the turn."""
        self.open_signed_in(sale_id)
        self.reach("door")
        self.act()
        self.reach("turn")

    def reach(self, stage: str) -> None:
        """Waits until the page is in `stage`; fails with what it shows instead."""
        try:
            self.page.wait_for_selector(f'body[data-stage="{stage}"]')
        except Late as error:
            shown = (
                self.page.get_attribute("body", "data-stage"),
                self.page.inner_text("body"),
                self.complaints,
            )
            raise AssertionError(f"not {stage} but {shown}") from error

    def act(self) -> None:
        """Taps the one big button."""
        self.page.click("#primary")

    def join_by_form(self) -> None:
        self.act()
        self.reach("sign_in")
        self.page.fill("#user-id", self.user_id)
        self.page.fill("#phone", "13800008000")
        self.act()

    def pick(self, sku: str) -> None:
        self.page.check(f'input[value="{sku}"]')

    def pay(self) -> None:
        """Goes to the provider's page and comes back having paid."""
        self.act()
        self.page.click("#succeed")
        self.page.wait_for_url(f"{self._system.gateway_url}/**")

    def wait_for_rewards(self, number: int) -> None:
        """Waits until so many rewards have been paid."""
        self.page.locator('#rewards-list [data-state="paid"]').nth(number - 1).wait_for()

    def reservations(self) -> list[dict[str, Any]]:
        """What the gateway knows, whatever the page shows."""
        headers = {"Authorization": f"Bearer {self._system.sign_in(self.user_id)}"}
        answer = httpx.get(f"{self._system.gateway_url}/v1/me/reservations", headers=headers, timeout=10)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["reservations"]
        return found

    def number(self, sale_id: str) -> int:
        """The number in the line that the page was told; what it shows of it changes with the time."""
        kept = self.page.evaluate(f"localStorage['floodgate:{sale_id}:{self.user_id}']")
        return int(json.loads(kept)["position"])

    def photograph(self, folder: Path, name: str) -> None:
        self.page.wait_for_timeout(300)  # the gate's leaves are on their way
        self.page.screenshot(path=folder / f"{name}-{self.language}.png")

    def text(self, element_id: str) -> str:
        return self.page.inner_text(f"#{element_id}")
