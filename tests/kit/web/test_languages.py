"""Which language an answer speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.web.languages import preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-CN,zh;q=0.9", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("ZH-cn", "zh-CN"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.8", "zh-CN"),
        ("fr, de;q=0.9, zh;q=0.1", "zh-CN"),
        ("fr", "en"),
        ("*", "en"),
        ("zh;q=0", "en"),
        ("zh;q=nan", "en"),
        ("zh;q=9", "en"),
        ("zh;q=x", "en"),
        ("zhx", "en"),
    ],
)
def test_the_best_loved_of_the_two_is_spoken(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


@given(st.text(max_size=400))
def test_any_header_gets_one_of_the_two(header: str) -> None:
    assert preferred_language(header) in {"zh-CN", "en"}
