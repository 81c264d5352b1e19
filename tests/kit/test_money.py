"""Money is integer minor units of one currency, bounded, never negative."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.money import AMOUNT_MINOR_MAX, CurrencyMismatch, Money

AMOUNTS = st.integers(min_value=0, max_value=AMOUNT_MINOR_MAX // 2)


@given(AMOUNTS, AMOUNTS)
def test_adding_is_exact_and_does_not_mind_the_order(one: int, other: int) -> None:
    assert (
        Money(one, "CNY") + Money(other, "CNY")
        == Money(other, "CNY") + Money(one, "CNY")
        == Money(one + other, "CNY")
    )


def test_amounts_of_two_currencies_are_never_added() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "CNY") + Money(1, "USD")


@pytest.mark.parametrize(
    ("amount", "currency"), [(-1, "CNY"), (AMOUNT_MINOR_MAX + 1, "CNY"), (1, "cny"), (1, "YUAN")]
)
def test_what_is_no_amount_is_refused(amount: int, currency: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Money(amount, currency)


def test_a_product_beyond_the_bound_is_refused_rather_than_wrapped() -> None:
    with pytest.raises(ValueError, match="amount_minor"):
        Money(AMOUNT_MINOR_MAX, "CNY").times(2)
