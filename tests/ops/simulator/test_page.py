"""The pay page: two languages, no markup from a title, and a way back that leads to the shop and nowhere else."""

from uuid import uuid4

import httpx
import pytest

from ops.simulator import page
from tests.ops.simulator.running import RunningSimulator
from tests.ops.simulator.test_provider import payment_body

SHOP = "http://shop.example"


async def _open(simulator: RunningSimulator, **changes: object) -> str:
    body = payment_body(**changes)
    async with simulator.http() as http:
        assert (await http.post("/payments", json=body)).status_code == 200
    return f"/pay/{body['payment_id']}"


async def _read(simulator: RunningSimulator, path: str, **options: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        return await http.get(path, **options)  # type: ignore[arg-type]


async def test_the_page_speaks_the_language_of_the_browser_and_can_be_told_another(
    simulator: RunningSimulator,
) -> None:
    path = await _open(simulator)
    chinese = await _read(simulator, path, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert '<html lang="zh-CN">' in chinese.text
    assert "确认支付" in chinese.text
    english = await _read(simulator, path + "?lang=en")
    assert "CNY 12.99" in english.text
    assert ">Pay</button>" in english.text
    assert "width=device-width" in english.text


async def test_a_title_is_text_and_never_markup(simulator: RunningSimulator) -> None:
    path = await _open(simulator, title='<script>alert("1")</script>')
    answer = await _read(simulator, path)
    assert "<script>alert" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/?sale=double11", f"{SHOP}/?sale=double11"),
        (None, f"{SHOP}/"),
        ("//evil.example", f"{SHOP}/"),
        ("https://evil.example", f"{SHOP}/"),
        ("/\\evil.example", f"{SHOP}/"),
        ("/a\nb", f"{SHOP}/"),
        ("javascript:alert(1)", f"{SHOP}/"),
    ],
)
def test_the_way_back_leads_to_the_shop_only(asked: str | None, led_to: str) -> None:
    assert page.return_address(asked, SHOP) == led_to


async def test_an_unknown_payment_has_no_page(simulator: RunningSimulator) -> None:
    assert (await _read(simulator, f"/pay/{uuid4()}")).status_code == 404
    assert (await _read(simulator, "/pay/nothing")).status_code == 422


async def test_style_and_script_are_files_of_the_page_alone(simulator: RunningSimulator) -> None:
    for name, content_type in page.ASSETS.items():
        assert (await _read(simulator, f"/pay-assets/{name}")).headers["content-type"] == content_type
    assert (await _read(simulator, "/pay-assets/__init__.py")).status_code == 404


async def test_only_the_shop_may_call_from_its_pages(simulator: RunningSimulator) -> None:
    path = await _open(simulator)
    allowed = await _read(simulator, path, headers={"Origin": SHOP})
    assert allowed.headers["access-control-allow-origin"] == SHOP
    foreign = await _read(simulator, path, headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(1299, "CNY", "CNY 12.99"), (5, "CNY", "CNY 0.05"), (0, "CNY", "CNY 0.00"), (1299, "JPY", "JPY 1299")],
)
def test_amounts_are_shown_from_integers(amount: int, currency: str, shown: str) -> None:
    assert page.show_amount(amount, currency) == shown
