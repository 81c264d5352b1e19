"""The rules by themselves: no store, no clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flashsale.rules import ItemState, UsedKey, Wish, band, decide, late_payment
from kit.ids import new_id
from tests.flashsale.scenes import SKU, a_wish

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
ITEM = ItemState(100, 10, 0, 2, 1, "CNY", 60, True, False, NOON, NOON, 1)
NAME = ("sale", SKU, 0)


def test_an_old_key_is_answered_before_anything_else_is_asked() -> None:
    wish = a_wish("sale", "ada", key="k1")
    used = {("sale", "ada", "k1"): UsedKey(new_id(), wish.fingerprint)}
    over = structs.replace(ITEM, over=True, taken=10)
    assert decide([wish], {NAME: over}, used, {}) == ["replayed"]
    assert decide([structs.replace(wish, fingerprint=b"other")], {NAME: over}, used, {}) == ["key_reused"]
    assert decide([structs.replace(wish, key="k2")], {NAME: over}, used, {}) == ["over"]


@pytest.mark.parametrize(
    ("item", "owned", "verdict"),
    [
        (ITEM, 0, "granted"),
        (ITEM, 2, "limit_reached"),
        (structs.replace(ITEM, taken=10), 0, "sold_out"),
        (structs.replace(ITEM, begun=False), 0, "not_open"),
        (structs.replace(ITEM, over=True), 0, "over"),
        (None, 0, "item_unknown"),
    ],
)
def test_each_refusal_has_its_name(item: ItemState | None, owned: int, verdict: str) -> None:
    items = {} if item is None else {NAME: item}
    assert decide([a_wish("sale", "ada")], items, {}, {("sale", "ada", SKU): owned}) == [verdict]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=60),
    st.integers(0, 30),
    st.integers(1, 5),
)
def test_no_batch_grants_beyond_the_stock_or_a_users_limit(
    asked: list[tuple[int, int]], total: int, limit: int
) -> None:
    wishes: list[Wish] = [a_wish("sale", f"user{user}", quantity=units) for user, units in asked]
    item = structs.replace(ITEM, total=total, per_user_limit=limit)
    verdicts = decide(wishes, {NAME: item}, {}, {})
    granted = [wish for wish, verdict in zip(wishes, verdicts, strict=True) if verdict == "granted"]
    assert sum(wish.quantity for wish in granted) <= total
    for user in {wish.user_id for wish in wishes}:
        assert sum(wish.quantity for wish in granted if wish.user_id == user) <= limit


def test_a_late_payment_buys_only_what_is_free_for_its_user() -> None:
    assert late_payment(2, item=ITEM, owned=0) == "regrant"
    assert late_payment(2, item=structs.replace(ITEM, taken=9), owned=0) == "sold_out"
    assert late_payment(2, item=ITEM, owned=1) == "limit_reached"


@pytest.mark.parametrize(
    ("available", "told"),
    [(None, "unknown"), (-1, "none"), (0, "none"), (1, "few"), (10, "few"), (11, "some"), (41, "plenty")],
)
def test_what_is_left_is_told_coarsely(available: int | None, told: str) -> None:
    assert band(available, 100) == told
