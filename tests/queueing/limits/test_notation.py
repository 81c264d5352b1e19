"""Limits as an operator writes them."""

import pytest

from queueing.limits.notation import parse_policies
from queueing.limits.policy import DAY_US, SECOND_US


def test_policies_are_read_as_they_are_written() -> None:
    policies = parse_policies(
        "user=20/1s burst 40, item=3/7s shared,address=1/1d shadow, route=5/500ms burst 9 shared shadow"
    )
    assert [
        (p.name, p.quota, p.window_us, p.burst, p.shared, p.shadow) for p in policies.values()
    ] == [
        ("user", 20, SECOND_US, 40, False, False),
        ("item", 3, 7 * SECOND_US, 3, True, False),
        ("address", 1, DAY_US, 1, False, True),
        ("route", 5, SECOND_US // 2, 9, True, True),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_nothing_written_limits_nothing(text: str) -> None:
    assert parse_policies(text) == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("user", "name=quota/window"),
        ("user=20", "name=quota/window"),
        ("user=20/s", "name=quota/window"),
        ("user=20/1s shadow shared", "in this order"),
        ("user=-1/1s", "name=quota/window"),
        ("user=20/1s; item=1/1s", "name=quota/window"),
        ("user=2000000/1s", "between 1 a day"),
        ("user=0/1s", "positive"),
        ("user=1/1s, user=2/1s", "twice"),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_policies(text)
