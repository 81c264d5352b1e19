"""No phone number is shown whole, wherever it stands, and ids stay readable."""

import pytest

from ops.desk.masks import mask_phone, mask_text


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "138****8000"),
        ("0086 138-0013-8000", "138****8000"),
        ("+14155550123", "141****0123"),
        ("12345678", "123****5678"),
        ("1234567", "****67"),
        ("123", "****"),
        ("", "****"),
    ],
)
def test_a_phone_is_shown_by_its_first_three_and_last_four(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


@pytest.mark.parametrize(
    ("user_id", "shown"),
    [
        ("13800138000", "138****8000"),
        ("+8613800138000", "138****8000"),
        ("8613800138000", "138****8000"),
        ("u-13800138000", "u-138****8000"),
        ("13800138000@shop.example", "138****8000@shop.example"),
        ("138-0013-8000", "138****8000"),
        ("wx:138.0013.8000", "wx:138****8000"),
        ("+447700900123", "447****0123"),
        ("shopper-7-000123", "shopper-7-000123"),
        ("10000138001380001", "10000138001380001"),
        ("12800138000", "12800138000"),
        ("alice", "alice"),
    ],
)
def test_a_user_id_that_is_a_phone_is_masked_and_another_is_not(user_id: str, shown: str) -> None:
    assert mask_text(user_id) == shown
