"""Same key, same answer: a key is visible ASCII, a fingerprint tells bodies apart and not the order of their fields."""

import pytest

from kit.idempotency import KeyMissing, fingerprint, parse_key


@pytest.mark.parametrize("header", [None, "", "   ", "x" * 65, "ключ", "a b", "a\x00b", "a\nb"])
def test_what_is_no_key_counts_as_missing(header: str | None) -> None:
    with pytest.raises(KeyMissing):
        parse_key(header)


def test_a_key_is_taken_without_the_space_around_it() -> None:
    assert parse_key(" 0b6c…".replace("…", "-1 ")) == "0b6c-1"


def test_a_fingerprint_knows_the_content_and_not_the_order() -> None:
    assert fingerprint({"sku": "a", "quantity": 1}) == fingerprint({"quantity": 1, "sku": "a"})
    assert fingerprint({"sku": "a", "quantity": 1}) != fingerprint({"sku": "a", "quantity": 2})
    assert fingerprint({"quantity": 1}) != fingerprint({"quantity": "1"})
