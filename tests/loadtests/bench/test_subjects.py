"""Which runs count: right answers, and books that agree with what was told."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from loadtests.bench.client.lines import Tally
from loadtests.bench.subjects import Subject, count_complaint, told_ids, united


def tally(ids: Iterable[UUID] = (), lost: int = 0, **counts: int) -> Tally:
    made = Tally(keep_granted=True)
    made.bodies = [b'{"reservation_id":"%s","sku":"x"}' % str(each).encode() for each in ids]
    made.lost = lost
    for status, count in counts.items():
        made.counts[status.removeprefix("s").encode()] = count
    return made


def subject(marker: bytes = b"") -> Subject:
    return Subject("a", "a", [1], lambda _: [], frozenset({b"409"}), {}, marker=marker)


def test_the_ids_that_were_told_are_read() -> None:
    ids = [uuid4(), uuid4()]
    assert told_ids(tally(ids)) == ids


@pytest.mark.parametrize(
    ("granted", "lost", "sold", "distinct", "counts"),
    [
        (10, 0, 10, 10, True),
        (10, 2, 11, 10, True),  # an answer that was lost may have sold
        (10, 2, 10, 10, True),
        (10, 0, 11, 10, False),  # sold to nobody
        (10, 0, 9, 10, False),  # granted and not written down
        (10, 2, 13, 10, False),
        (10, 0, 10, 9, False),  # one reservation told to two
    ],
)
def test_units_sold_are_units_granted(
    granted: int, lost: int, sold: int, distinct: int, counts: bool
) -> None:
    complaint = count_complaint(
        before=5, after=5 + sold, total=100, tally=tally(lost=lost, s201=granted), distinct=distinct
    )
    assert (complaint is None) is counts


def test_an_item_that_is_oversold_is_named() -> None:
    complaint = count_complaint(before=0, after=11, total=10, tally=tally(s201=11), distinct=11)
    assert complaint is not None
    assert "oversold" in complaint


def test_a_status_that_nobody_expects_is_a_complaint() -> None:
    assert subject().complaint(tally(s409=10)) is None
    assert subject().complaint(tally(s409=10, s503=3)) is None
    assert "500" in (subject().complaint(tally(s409=10, s500=1)) or "")
    assert subject().complaint(tally(s503=3)) == "nothing good was answered: 3 x 503 b''"


def test_a_right_status_for_another_reason_is_a_complaint() -> None:
    wrong = tally(s409=10)
    wrong.samples[b"409"] = b'{"code":"sold_out"}'
    assert subject(b'"sold_out"').complaint(wrong) is None
    assert subject(b'"not_your_turn"').complaint(wrong) is not None


def test_an_answer_that_could_not_be_read_is_a_complaint() -> None:
    broken = tally(s409=10)
    broken.broken = "a chunked answer"
    assert "chunked" in (subject().complaint(broken) or "")


def test_requests_are_made_for_as_long_as_the_run_takes() -> None:
    asked: list[int] = []

    def make(count: int) -> list[bytes]:
        asked.append(count)
        return [b"x"] * count

    one = Subject("a", "a", [1], make, frozenset(), {}, rate_guess=100.0)
    assert len(list(one.requests(2.0))) == asked[0] == 300 + 256


def test_a_refusal_that_may_have_sold_is_in_doubt_until_it_is_asked_again() -> None:
    ids = [uuid4() for _ in range(3)]
    run = tally(ids[:2], s201=2, s503=5)
    assert count_complaint(before=0, after=3, total=9, tally=run, distinct=2) is None
    settled = tally([ids[1], ids[2]], s201=2)
    whole = united(run, settled)
    assert sorted(told_ids(whole)) == sorted(ids)
    assert whole.by_status()["503"] == 0
    assert count_complaint(before=0, after=3, total=9, tally=whole, distinct=3) is None
    assert count_complaint(before=0, after=4, total=9, tally=whole, distinct=3) is not None
