"""Signed tokens: bound to a purpose, unforgeable, one spelling each, rotated without sending anyone away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import StartRefused
from kit.signing import TOKEN_CHARACTERS_MAX, Keyring, TokenRefused

RING = Keyring.parse("new:" + "n" * 32 + ", old:" + "o" * 32, variable="KEYS")


@given(st.binary(max_size=300))
def test_what_was_signed_is_read_back(payload: bytes) -> None:
    assert RING.verify("ticket", RING.sign("ticket", payload)) == payload


def test_a_token_of_one_purpose_is_none_of_another() -> None:
    with pytest.raises(TokenRefused, match="bad_signature"):
        RING.verify("admission", RING.sign("ticket", b"facts"))


def test_the_first_key_signs_and_all_verify() -> None:
    old = Keyring.parse("old:" + "o" * 32, variable="KEYS").sign("ticket", b"facts")
    assert RING.verify("ticket", old) == b"facts"
    assert RING.sign("ticket", b"facts").startswith("new.")


def test_a_key_that_was_retired_is_unknown() -> None:
    only_new = Keyring.parse("new:" + "n" * 32, variable="KEYS")
    with pytest.raises(TokenRefused, match="unknown_key"):
        only_new.verify("ticket", Keyring.parse("old:" + "o" * 32, variable="KEYS").sign("ticket", b"facts"))


def test_the_key_id_is_signed_too() -> None:
    _, payload, signature = RING.sign("ticket", b"facts").split(".")
    with pytest.raises(TokenRefused):
        RING.verify("ticket", f"old.{payload}.{signature}")


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(TokenRefused):
        RING.verify("ticket", text)


@given(st.data())
def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    """Other spellings of the same bytes, which base64 allows, are among them."""
    token = RING.sign("ticket", b"facts of somebody")
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ ")
    )
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(TokenRefused):
            RING.verify("ticket", changed)


def test_what_is_too_long_is_not_even_hashed() -> None:
    with pytest.raises(TokenRefused, match="malformed"):
        RING.verify("ticket", "new." + "a" * TOKEN_CHARACTERS_MAX + ".b")


@pytest.mark.parametrize("text", ["", " , ", "kid", "kid:short", ":" + "s" * 32, "k.d:" + "s" * 32, "s" * 40])
def test_keys_that_are_none_refuse_the_start_in_one_sentence(text: str) -> None:
    with pytest.raises(StartRefused, match="QUEUEING_KEYS"):
        Keyring.parse(text, variable="QUEUEING_KEYS")
