"""The page on which a shopper pays, in zh-CN and en, made for a phone."""

from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from kit.web.languages import Language

ASSETS: Final = {"pay.css": "text/css; charset=utf-8", "pay.js": "text/javascript; charset=utf-8"}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_FOLDER: Final = files(__name__)
_PAGE: Final = Template(_FOLDER.joinpath("pay.html").read_text(encoding="utf-8"))
_TEXTS: Final[dict[Language, dict[str, str]]] = {
    "zh-CN": {
        "heading": "支付订单",
        "pretend": "模拟支付：不会产生真实扣款。",
        "succeed": "确认支付",
        "refuse": "拒绝支付",
        "return_text": "返回商店",
        "say_succeeded": "支付成功，正在返回商店。",
        "say_refused": "支付已拒绝，没有扣款。",
        "say_refunded": "款项已退回。",
        "say_failed": "没有成功，请重试。",
        "other_text": "English",
        "other_lang": "en",
    },
    "en": {
        "heading": "Pay for your order",
        "pretend": "Pretend payment: no real money moves.",
        "succeed": "Pay",
        "refuse": "Refuse to pay",
        "return_text": "Back to the shop",
        "say_succeeded": "Paid. Taking you back to the shop.",
        "say_refused": "Refused. Nothing was charged.",
        "say_refunded": "The money was given back.",
        "say_failed": "That did not work. Please try again.",
        "other_text": "中文",
        "other_lang": "zh-CN",
    },
}
_DIGITS: Final = {"JPY": 0, "KRW": 0, "VND": 0}  # minor units of the rest have two digits here


def asset(name: str) -> str | None:
    """The text of a static file of the page, None for any other name."""
    return _FOLDER.joinpath(name).read_text(encoding="utf-8") if name in ASSETS else None


def pick_language(asked: str | None, accept_language: str | None) -> Language:
    """`?lang=` decides, else the browser's first language; zh-CN where neither says."""
    wish = (asked or accept_language or "zh").lower()
    return "en" if wish.startswith("en") else "zh-CN"


def return_address(path: str | None, gateway_origin: str) -> str:
    """Where the page leads back to: a path of the gateway and of nowhere else (no open redirect)."""
    origin = gateway_origin.rstrip("/")
    if path is None or not path.startswith("/") or path.startswith("//"):
        return origin + "/"
    if "\\" in path or not path.isprintable():
        return origin + "/"
    return origin + path


def render(payment: dict[str, Any], *, language: Language, back: str, other_href: str) -> str:
    """The page of a payment."""
    texts = _TEXTS[language]
    fields = texts | {
        "lang": language,
        "payment_id": payment["payment_id"],
        "state": payment["state"],
        "title": payment["title"],
        "amount": show_amount(payment["amount_minor"], payment["currency"]),
        "say": texts.get(f"say_{payment['state']}", ""),
        "back": back,
        "other_href": other_href,
    }
    return _PAGE.substitute({name: escape(value, quote=True) for name, value in fields.items()})


def show_amount(amount_minor: int, currency: str) -> str:
    """`CNY 12.34`, from integers alone."""
    digits = _DIGITS.get(currency, 2)
    if digits == 0:
        return f"{currency} {amount_minor}"
    whole, part = divmod(amount_minor, 10**digits)
    return f"{currency} {whole}.{part:0{digits}d}"
