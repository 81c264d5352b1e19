"""What is told live is decided by what was told, never by a clock. Pure rules, no stores."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from flashsale.facts import Reservation
from gateway.notices import NOTICES_MAX, derive, read_cursor, write_cursor
from rewards.grants import RewardFacts

NOW = datetime(2026, 11, 11, tzinfo=UTC)
HELD = Reservation(
    reservation_id=uuid4(), sale_id="sale", sku="sku", user_id="ann", quantity=1, amount_minor=1, currency="CNY",
    state="held", end_reason=None, held_at=NOW, expires_at=NOW, ended_at=None, regrant_of=None, regranted_as=None,
    phone="13800008000",
)  # fmt: skip
REWARD = RewardFacts(
    grant_id=uuid4(), sale_id="sale", rule_id="points", reservation_id=HELD.reservation_id, kind="points",
    amount_minor=1, currency="PTS", coupon_code=None, state="promised", reason=None, owner=None, granted_at=NOW,
    ended_at=None, attempts=0,
)  # fmt: skip
LATER = NOW + timedelta(minutes=1)


def test_each_thing_that_happened_is_one_notice_in_order_of_time() -> None:
    paid = changed(HELD, state="confirmed", end_reason="paid", ended_at=LATER)
    sent = replace(REWARD, state="paid", ended_at=LATER + timedelta(seconds=1))
    assert [notice.event for notice in derive([paid], [sent])] == ["won", "paid", "reward_sent"]


def test_what_has_not_happened_is_not_told() -> None:
    expired = changed(HELD, state="expired", end_reason="hold_expired", ended_at=LATER)
    blocked = replace(REWARD, state="blocked", ended_at=LATER)
    assert [notice.event for notice in derive([expired], [REWARD, blocked])] == ["won"]


def test_a_late_payments_new_reservation_is_told_as_paid_not_as_won_again() -> None:
    regrant = changed(
        HELD, reservation_id=uuid4(), state="confirmed", ended_at=LATER, regrant_of=HELD.reservation_id
    )
    assert [notice.event for notice in derive([regrant], [])] == ["paid"]


def test_nothing_private_is_in_a_notice() -> None:
    (notice,) = derive([HELD], [])
    assert "13800008000" not in str(notice.content)
    assert "user_id" not in notice.content


def test_a_row_that_commits_late_with_an_earlier_time_is_still_told() -> None:
    """Control: a cursor that is a time would have passed it by."""
    told = {notice.mark for notice in derive([changed(HELD, held_at=LATER)], [])}
    early = changed(HELD, reservation_id=uuid4(), held_at=NOW)
    news = [n for n in derive([changed(HELD, held_at=LATER), early], []) if n.mark not in told]
    assert [notice.at for notice in news] == [NOW]
    assert NOW < LATER


@given(st.sets(st.integers(0, 10_000), max_size=NOTICES_MAX))
def test_a_cursor_says_exactly_what_was_told(numbers: set[int]) -> None:
    marks = {f"{number:08x}" for number in numbers}
    assert read_cursor(write_cursor(marks)) == marks


@given(st.text(max_size=64))
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    found = read_cursor(text)
    assert found is None or all(len(mark) == 8 for mark in found)
